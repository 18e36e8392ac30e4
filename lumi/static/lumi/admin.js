// Django's pickers give the icon of their filters a name and no role: then it has none for whoever does not see it.
"use strict";
window.addEventListener("load", () => {
    for (const icon of document.querySelectorAll(".search-label-icon[aria-label]")) {
        icon.setAttribute("role", "img");
    }
});
