// A result's record, to be kept or sent.

const SHOWN = 1500; // milliseconds that a button tells what happened

// Gives the record's text, and whether the browser let it into the clipboard.
export async function copyRecord(url) {
  const text = await (await fetch(url)).text();
  try {
    await navigator.clipboard.writeText(text);
    return { text, copied: true };
  } catch {
    return { text, copied: false };
  }
}

export function tellCopied(button, copied) {
  button.textContent = copied ? "Copied" : "Shown below";
  setTimeout(() => (button.textContent = "Copy record"), SHOWN);
}
