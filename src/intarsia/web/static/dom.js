// Elements in short. Texts become text nodes, never HTML.
const SVG = "http://www.w3.org/2000/svg";

export function make(tag, className = "", ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export function add(parent, tag, className, ...children) {
  const node = make(tag, className, ...children);
  parent.append(node);
  return node;
}

export function button(className, action, ...children) {
  const node = make("button", className, ...children);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}

export function image(className, alt, url = "") {
  const node = make("img", className);
  node.alt = alt;
  node.draggable = false;
  if (url) node.src = url;
  return node;
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  setAttributes(node, attributes);
  node.append(...children);
  return node;
}

export function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

// Only what changes: the same picture is not loaded twice.
export function setSource(node, url) {
  if (node.getAttribute("src") === (url || null)) return;
  if (url) node.setAttribute("src", url);
  else node.removeAttribute("src");
}

// Only what changes: what is said aloud is not said twice.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setDownload(link, url, name) {
  link.href = url;
  link.setAttribute("download", name);
}
