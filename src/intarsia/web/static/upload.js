// A photo comes in: chosen, dropped, or pasted.
import { make } from "./dom.js";

const ACCEPTED =
  "image/png,image/jpeg,image/webp,image/tiff,image/bmp,image/gif,image/avif,image/heic,image/heif," +
  ".png,.jpg,.jpeg,.webp,.tif,.tiff,.bmp,.gif,.avif,.heic,.heif";

export function photoChooser(className, label, onFile) {
  const chooser = make("input", className);
  chooser.type = "file";
  chooser.accept = ACCEPTED;
  chooser.setAttribute("aria-label", label);
  chooser.addEventListener("change", () => {
    onFile(chooser.files[0]);
    chooser.value = ""; // the same file may be chosen again
  });
  return chooser;
}

// `marked`: has the class while a file is over `root`. Gradio writes our styles for its own page, not for the body.
export function acceptDrops(root, marked, overClass, onFile) {
  for (const type of ["dragenter", "dragover"])
    root.addEventListener(type, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      marked.classList.add(overClass);
    });
  root.addEventListener("dragleave", (event) => {
    if (!root.contains(event.relatedTarget)) marked.classList.remove(overClass);
  });
  root.addEventListener("drop", (event) => {
    marked.classList.remove(overClass);
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    onFile(event.dataTransfer.files[0]);
  });
}

// A picture in the clipboard comes in where its element is seen. Words that were copied together with their
// picture, as from a table, stay words in a field.
export function acceptPastes(root, onFile) {
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    const isText = event.target.matches?.("input, textarea") && event.clipboardData.types.includes("text/plain");
    if (!file || !root.offsetParent || isText) return;
    event.preventDefault();
    onFile(file);
  });
}
