// The settings of each verb, in a fold that is closed at first.
import { add, button, make, setText } from "./dom.js";
import { VERBS, plural } from "./studio_words.js";

// How a setting is given: "choice", "flag", "number" or "text".
export function controlKind({ kind, default: standard, choices }) {
  if (choices?.length) return "choice";
  if (typeof standard === "boolean" || /^bool\b/.test(kind ?? "")) return "flag";
  if (/tuple|list|dict|str|path|text/i.test(kind ?? "")) return "text";
  return typeof standard === "number" || /int|float|number/.test(kind ?? "") ? "number" : "text";
}

// A choice is a value, or a value and its label.
export const choicePair = (choice) => (Array.isArray(choice) ? choice : [choice, String(choice)]);

// As a field of text shows it.
export const textOf = (value) => (Array.isArray(value) ? value.join(", ") : String(value ?? ""));

// Labels by verb and name, each but once: a label of several verbs says which one it is for.
export function uniqueLabels(fields) {
  const verbs = Object.keys(fields), count = {};
  for (const verb of verbs) for (const { label } of fields[verb]) count[label] = (count[label] ?? 0) + 1;
  const labelOf = (verb, { label }) => (count[label] > 1 ? `${label} for ${VERBS[verb]}` : label);
  return Object.fromEntries(verbs.map((verb) => [verb, fields[verb].map((field) => labelOf(verb, field))]));
}

// What differs from the defaults; `given` are values by name.
export function changedValues(fields, given) {
  const isDefault = ({ name, default: standard }) =>
    !(name in given) || given[name] === null || textOf(given[name]) === textOf(standard);
  return Object.fromEntries(fields.filter((field) => !isDefault(field)).map(({ name }) => [name, given[name]]));
}

export class Settings {
  constructor(app) {
    this.app = app;
    this.fields = null;
    this.given = { change: {}, arrange: {}, remove: {} };
    this.controls = [];
    this.count = make("span", "u-count");
    this.groups = make("div", "u-settings-groups");
    this.resetButton = button("u-button", () => this.reset(), "Reset settings");
    this.element = make("details", "u-ui u-fold u-settings",
      make("summary", "", "Advanced settings", this.count), make("div", "u-fold-body", this.groups, this.resetButton));
  }

  // Of one verb, those that differ from the default, by name.
  values(verb) {
    return changedValues(this.fields?.[verb] ?? [], this.given[verb]);
  }

  reset() {
    for (const verb of Object.keys(this.given)) this.given[verb] = {};
    for (const { restore } of this.controls) restore();
    this.renderCount();
    this.element.querySelector("summary").focus();
  }

  render() {
    if (this.app.fields !== this.fields) this.build(this.app.fields);
    this.element.hidden = !this.controls.length;
  }

  build(fields) {
    this.fields = fields;
    this.controls = [];
    const labels = uniqueLabels(fields ?? {});
    const groups = Object.keys(fields ?? {}).filter((verb) => fields[verb].length).map((verb) => {
      const group = make("details", "u-settings-group", make("summary", "", `Settings for ${VERBS[verb]}`));
      group.name = "u-settings";
      fields[verb].forEach((field, k) => this.add(group, verb, field, labels[verb][k]));
      return group;
    });
    this.groups.replaceChildren(...groups);
    this.renderCount();
  }

  add(group, verb, field, label) {
    const id = `u-${verb}-${field.name}`, kind = controlKind(field);
    const { control, read, write } = { choice, flag, number, text }[kind](field);
    control.id = id;
    const row = add(group, "div", `u-setting u-setting-${kind}`);
    add(row, "label", "", label).htmlFor = id;
    row.append(control);
    if (field.help) {
      add(row, "p", "u-quiet", field.help).id = `${id}-help`;
      control.setAttribute("aria-describedby", `${id}-help`);
    }
    control.addEventListener("input", () => {
      this.given[verb][field.name] = read();
      control.setAttribute("aria-invalid", String(!control.validity.valid));
      this.renderCount();
    });
    const restore = () => {
      write(field.default);
      control.removeAttribute("aria-invalid");
    };
    restore();
    if (field.name in this.given[verb]) write(this.given[verb][field.name]);
    this.controls.push({ restore });
  }

  renderCount() {
    const count = Object.keys(this.given).reduce((sum, verb) => sum + Object.keys(this.values(verb)).length, 0);
    setText(this.count, count ? plural(count, "change") : "");
    this.resetButton.disabled = !count;
  }
}

// Controls: each an element, and how its value is read and written. What is empty or wrong reads as null.

function choice({ default: standard, choices }) {
  const control = make("select", "u-input"), pairs = choices.map(choicePair);
  if (!pairs.some(([value]) => textOf(value) === textOf(standard))) pairs.unshift([standard, textOf(standard) || "automatic"]);
  pairs.forEach(([, label], k) => (add(control, "option", "", label).value = k));
  const write = (value) => (control.value = pairs.findIndex(([each]) => textOf(each) === textOf(value)));
  return { control, read: () => pairs[control.value][0], write };
}

function flag() {
  const control = make("input");
  control.type = "checkbox";
  return { control, read: () => control.checked, write: (value) => (control.checked = Boolean(value)) };
}

function number({ default: standard, kind, least, most }) {
  const control = make("input", "u-input");
  const isWhole = /int/.test(kind ?? "") && !/float/.test(kind ?? "");
  Object.assign(control, { type: "number", step: isWhole ? 1 : "any", min: least ?? "", max: most ?? "" });
  control.placeholder = standard === null ? "automatic" : "";
  const read = () => (control.value === "" || !control.validity.valid ? null : control.valueAsNumber);
  return { control, read, write: (value) => (control.value = value ?? "") };
}

function text({ default: standard }) {
  const control = make("input", "u-input");
  control.type = "text";
  control.placeholder = standard === null ? "automatic" : "";
  return { control, read: () => control.value, write: (value) => (control.value = textOf(value)) };
}
