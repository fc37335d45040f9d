"use strict";
// A strip of results: one by layout is gone on from, one by words becomes the picture on the stage.
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
  made.forEach((one, place) => {
    const words = one.kind === "words", what = words ? "Use as picture" : "Go on from";
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = words ? "by-words" : "by-layout";
    button.title = `${what}: ${one.words}`;
    button.setAttribute("aria-label", `${what} ${place + 1}: ${one.words}`);
    const picture = document.createElement("img");
    picture.src = one.picture;
    picture.alt = "";
    const said = document.createElement("span");
    said.textContent = words ? `By words: ${one.words}` : one.words;
    button.append(picture, said);
    button.addEventListener("click", () =>
      words ? trigger("taken", { folder: one.folder }) : trigger("chosen", { index: one.index }));
    item.append(button);
    list.append(item);
  });
  strip.append(title, list);
  list.scrollLeft = list.scrollWidth;
}
watch("value", show);
show();
