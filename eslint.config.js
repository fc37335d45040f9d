// The scripts of the web pages are modules; the page of a batch is opened from the disk, where modules do not load.
import js from "@eslint/js";
import globals from "globals";

const RULES = {
  ...js.configs.recommended.rules,
  eqeqeq: "error",
  "max-lines": ["error", 450],
  "max-lines-per-function": ["error", 60],
  "no-eval": "error",
  "no-implied-eval": "error",
  "no-restricted-properties": ["error", ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => ({
    property,
    message: "Texts are anybody's: set them as text.",
  }))],
  "no-undef": "error",
  "no-unused-vars": "error",
  "no-var": "error",
  "prefer-const": "error",
};

export default [
  { ignores: [".venv/", "build/", "dist/", "node_modules/", "demo-out/", "out/", "training/runs/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["src/**/*.js"],
    languageOptions: { sourceType: "module", globals: globals.browser },
    rules: RULES,
  },
  { files: ["src/**/report.js"], languageOptions: { sourceType: "script" } },
  {
    files: ["tests/**/*.js", "*.js"],
    languageOptions: { sourceType: "module", globals: globals.node },
    rules: RULES,
  },
];
