"use strict";
// A strip of results; any of them can be gone on from.
const strip = document.createElement("div");
strip.className = "layout-past";
element.replaceChildren(strip);

function show() {
  const made = Array.isArray(props.value) ? props.value : [];
  strip.hidden = !made.length;
  strip.replaceChildren();
  const title = document.createElement("h4");
  title.textContent = "History";
  const list = document.createElement("ol");
  made.forEach((one, index) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.title = `Go on from: ${one.words}`;
    button.setAttribute("aria-label", `Go on from ${index + 1}: ${one.words}`);
    const picture = document.createElement("img");
    picture.src = one.picture;
    picture.alt = "";
    const words = document.createElement("span");
    words.textContent = one.words;
    button.append(picture, words);
    button.addEventListener("click", () => trigger("chosen", { index }));
    item.append(button);
    list.append(item);
  });
  strip.append(title, list);
  list.scrollLeft = list.scrollWidth;
}
watch("value", show);
show();
