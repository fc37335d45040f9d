// Stands for the canvas until it is here: shows the state as text.
export function mount({ element, trigger, props, upload, watch }) {
  const root = element.querySelector(".s-root");
  let known = false;
  window.canvasStub = { trigger, props, upload };
  const render = () => {
    root.textContent = JSON.stringify(props.value, null, 1);
    if (props.value.n >= 1 && !known) {
      known = true;
      trigger("arrived", { draft: new URL(location).searchParams.get("photo") });
    }
  };
  watch("value", render);
  render();
}
