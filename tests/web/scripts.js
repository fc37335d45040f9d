// Where the scripts of the pages lie.
export const SCRIPTS = new URL("../../src/intarsia/web/static/", import.meta.url);
export const load = (name) => import(new URL(name, SCRIPTS));

export function closeTo(actual, expected, within = 1e-9) {
  const far = actual.length !== expected.length || actual.some((value, k) => !(Math.abs(value - expected[k]) <= within));
  if (far) throw new Error(`${JSON.stringify(actual)} is not within ${within} of ${JSON.stringify(expected)}`);
}

// Random numbers that are the same each time: a linear congruential generator.
export function random(seed) {
  let state = seed >>> 0;
  return (low = 0, high = 1) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + ((high - low) * state) / 2 ** 32;
  };
}
