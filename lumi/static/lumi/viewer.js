/* The staff's 3D viewer: shows a GLB that turns slowly, and can be turned by hand.

   Markup, after {% static "lumi/viewer.css" %}, and with {% static "lumi/three.js" %} and this file as deferred scripts:

     <div class="lumi-viewer" data-src="address of a GLB on this host" data-alt="what it shows"
          data-failed="the sentence where it cannot be shown"></div>

   It sets on the element: data-state, "loading", "turning", "still" or "failed"; and data-angle, in whole degrees.
   Dragging or the arrow keys turn it, + and - come nearer, the space bar lets it turn or stand. It stands still by
   itself once it was touched, and for people who want no motion. What is not on the screen is not drawn. */
"use strict";

(() => {
  const DEGREES_A_SECOND = 24;
  const STEP = 15;                 // degrees, of an arrow key
  const TILT = 80;                 // degrees at most, up and down
  const NEAREST = 0.4, FARTHEST = 3;
  const FAILED = "This model cannot be shown here. Your browser may have no WebGL, or the file is missing.";

  class Viewer {
    constructor(element) {
      this.element = element;
      this.angle = 30;
      this.tilt = 15;
      this.distance = 1;
      this.isSeen = true;
      this.wantsStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.say("loading");
      try {
        this.build();
      } catch {
        this.fail();
      }
    }

    say(state) {
      this.element.dataset.state = state;
    }

    build() {
      this.renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true });
      this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
      this.renderer.outputEncoding = THREE.sRGBEncoding;
      this.camera = new THREE.PerspectiveCamera(35, 1, 0.01, 100);
      this.scene = new THREE.Scene();
      this.pivot = new THREE.Group();
      this.scene.add(this.pivot, ...lights());
      const loader = new THREE.GLTFLoader();
      loader.load(this.element.dataset.src, (file) => this.show(file.scene), undefined, () => this.fail());
    }

    show(model) {
      const box = new THREE.Box3().setFromObject(model);
      const size = box.getSize(new THREE.Vector3()).length();
      if (!(size > 0 && Number.isFinite(size))) {
        this.fail();
        return;
      }
      model.position.sub(box.getCenter(new THREE.Vector3()));
      this.pivot.add(model);
      this.pivot.scale.setScalar(2 / size);
      this.hang();
      this.say(this.wantsStill ? "still" : "turning");
      requestAnimationFrame((now) => this.turn(now, now));
    }

    hang() {
      const canvas = this.renderer.domElement;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", this.element.dataset.alt || "");
      canvas.tabIndex = 0;
      this.element.replaceChildren(canvas);
      canvas.addEventListener("pointerdown", (event) => this.grasp(canvas, event));
      canvas.addEventListener("pointermove", (event) => this.drag(canvas, event));
      canvas.addEventListener("keydown", (event) => this.press(event));
      canvas.addEventListener("webglcontextlost", () => this.fail());
      new ResizeObserver(() => this.resize()).observe(this.element);
      new IntersectionObserver((entries) => this.look(entries.at(-1).isIntersecting)).observe(this.element);
      this.resize();
    }

    fail() {
      const sentence = document.createElement("p");
      sentence.textContent = this.element.dataset.failed || FAILED;
      this.element.replaceChildren(sentence);
      this.say("failed");
      this.renderer?.dispose();
    }

    resize() {
      const { clientWidth: width, clientHeight: height } = this.element;
      if (!width || !height) return;
      this.renderer.setSize(width, height, false);
      this.camera.aspect = width / height;
      this.camera.updateProjectionMatrix();
      this.draw();
    }

    look(isSeen) {
      this.isSeen = isSeen;
    }

    turn(before, now) {
      if (this.element.dataset.state === "failed" || !this.element.isConnected) return;
      if (this.element.dataset.state === "turning" && this.isSeen) {
        this.angle += (Math.min(now - before, 100) / 1000) * DEGREES_A_SECOND;
        this.draw();
      }
      requestAnimationFrame((next) => this.turn(now, next));
    }

    draw() {
      const far = (1.1 / Math.sin(Math.PI / 180 * 17.5)) * this.distance / Math.min(1, this.camera.aspect);
      const tilt = Math.PI / 180 * this.tilt;
      this.pivot.rotation.y = Math.PI / 180 * this.angle;
      this.camera.position.set(0, Math.sin(tilt) * far, Math.cos(tilt) * far);
      this.camera.lookAt(0, 0, 0);
      this.renderer.render(this.scene, this.camera);
      this.element.dataset.angle = String(Math.round(((this.angle % 360) + 360) % 360));
    }

    move(angle, tilt, nearer = 1) {
      this.say("still");
      this.angle += angle;
      this.tilt = Math.max(-TILT, Math.min(TILT, this.tilt + tilt));
      this.distance = Math.max(NEAREST, Math.min(FARTHEST, this.distance * nearer));
      this.draw();
    }

    grasp(canvas, event) {
      canvas.setPointerCapture(event.pointerId);
      this.move(0, 0);
    }

    drag(canvas, event) {
      if (canvas.hasPointerCapture(event.pointerId)) this.move(event.movementX / 2, event.movementY / 2);
    }

    press(event) {
      const keys = {
        ArrowLeft: () => this.move(-STEP, 0),
        ArrowRight: () => this.move(STEP, 0),
        ArrowUp: () => this.move(0, STEP),
        ArrowDown: () => this.move(0, -STEP),
        "+": () => this.move(0, 0, 0.85),
        "-": () => this.move(0, 0, 1 / 0.85),
        " ": () => this.say(this.element.dataset.state === "turning" ? "still" : "turning"),
      };
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    }
  }

  function lights() {
    const sun = new THREE.DirectionalLight(0xffffff, 0.9);
    sun.position.set(2, 3, 4);
    const back = new THREE.DirectionalLight(0xffffff, 0.35);
    back.position.set(-3, 1, -2);
    return [new THREE.HemisphereLight(0xffffff, 0x8a8a8a, 0.75), sun, back];
  }

  for (const element of document.querySelectorAll(".lumi-viewer")) new Viewer(element);
})();
