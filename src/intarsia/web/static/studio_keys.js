// Keys of the whole page. Those of a tool belong to the stage, and texts keep their own.

export class StudioKeys {
  constructor(app) {
    this.app = app;
    document.addEventListener("keydown", (event) => this.down(event));
    document.addEventListener("keyup", (event) => event.key === "\\" && app.peek(false));
    app.root.addEventListener("focusout", ({ target, relatedTarget }) => relatedTarget || queueMicrotask(() => this.holdFocus(target)));
  }

  down(event) {
    const { app } = this;
    if (!app.photo || event.defaultPrevented || event.target.closest("dialog")) return;
    const writing = event.target.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
    const command = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
    let action = null;
    if (command && !writing) action = { z: () => (event.shiftKey ? app.redo() : app.undo()), y: () => app.redo() }[key];
    else if (!command && !writing) action = this.plain(key);
    if (!action) return;
    event.preventDefault();
    action();
  }

  // What had the focus may be hidden or disabled by now: while something goes on, Cancel has it instead; afterwards it
  // comes back to where it was, or to the photo.
  holdFocus(left) {
    const { busy, photo, stage, verbs } = this.app, isSeen = (node) => node?.checkVisibility() && !node.disabled;
    if (!photo || isSeen(left) || document.activeElement !== document.body) return;
    if (left !== verbs.stop) this.left = left;
    const next = [busy ? verbs.stop : this.left, stage.element].find(isSeen);
    next?.focus({ preventScroll: true });
  }

  plain(key) {
    const { app } = this, { selection } = app;
    if (key === "\\") return () => app.peek(true);
    if (app.busy) return null;
    if (["delete", "backspace"].includes(key) && !selection.isEmpty && !app.isMoving) return () => app.doRemove();
    return null;
  }
}
