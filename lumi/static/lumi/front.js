// The front page keeps itself up to date: every few seconds the cards are fetched, and those that differ are replaced.
"use strict";
{
    const cards = document.getElementById("cards");
    const trouble = document.getElementById("trouble");
    const refreshed = document.getElementById("refreshed");
    const seconds = Number(cards.dataset.seconds);
    let underWay = false;

    function say(words) {
        if (trouble.textContent !== words) {
            trouble.textContent = words; // only news are read out
        }
    }

    async function fetched() {
        const address = new URL("?cards", location.href);
        const answer = await fetch(address, {redirect: "manual", signal: AbortSignal.timeout(10000)});
        if (answer.type === "opaqueredirect" || answer.status === 403) {
            return {words: cards.dataset.out};
        }
        return answer.ok ? {html: await answer.text()} : {words: cards.dataset.away};
    }

    // What the person has opened, scrolled to and stands on, by id: it outlives the element.
    function remembered(card) {
        return {
            opened: [...card.querySelectorAll("details[open]")].map((element) => element.id),
            scrolled: [...card.querySelectorAll(".scroll")].map(({id, scrollLeft, scrollTop}) => ({id, scrollLeft, scrollTop})),
            focused: card.contains(document.activeElement) ? document.activeElement.id : "",
        };
    }

    function restore({opened, scrolled, focused}) {
        for (const id of opened) {
            document.getElementById(id)?.setAttribute("open", "");
        }
        for (const {id, scrollLeft, scrollTop} of scrolled) {
            Object.assign(document.getElementById(id) ?? {}, {scrollLeft, scrollTop});
        }
        if (focused) {
            document.getElementById(focused)?.focus({preventScroll: true});
        }
    }

    // As the server wrote it: a card that is open here is not another one there.
    const written = new Map([...cards.children].map((card) => [card.id, card.outerHTML]));

    function replace(html) {
        const fresh = [...new DOMParser().parseFromString(html, "text/html").body.children];
        const isSame = fresh.length === cards.children.length && fresh.every((card, at) => card.id === cards.children[at].id);
        const memories = [...cards.children].map(remembered);
        for (const [at, card] of fresh.entries()) {
            const text = card.outerHTML;
            if (isSame && written.get(card.id) !== text) {
                cards.children[at].replaceWith(card);
                restore(memories[at]);
            }
            written.set(card.id, text);
        }
        if (!isSame) {
            cards.replaceChildren(...fresh);
            memories.forEach(restore);
        }
        const now = new Date();
        refreshed.dateTime = now.toISOString();
        refreshed.textContent = `${now.toISOString().slice(11, 19)} UTC`;
    }

    function isBeingRead() {
        const selection = document.getSelection();
        return !selection.isCollapsed && cards.contains(selection.anchorNode); // somebody copies something
    }

    async function refresh() {
        if (underWay || document.hidden || isBeingRead()) {
            return;
        }
        underWay = true;
        try {
            const {html, words} = await fetched();
            say(words ?? "");
            if (html !== undefined) {
                replace(html);
            }
        } catch {
            say(cards.dataset.away);
        } finally {
            underWay = false;
        }
    }

    setInterval(refresh, seconds * 1000);
    document.addEventListener("visibilitychange", refresh); // whoever comes back sees what is
    document.getElementById("refresh").addEventListener("click", (event) => {
        event.preventDefault();
        refresh();
    });
}
