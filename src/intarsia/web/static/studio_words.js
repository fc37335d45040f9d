// Numbers in plain words, for the panels of the canvas. It knows nothing of the page.
const LIKELY = 0.8, PERHAPS = 0.5;

export const VERBS = { change: "Change", arrange: "Move", remove: "Remove" };

export const capital = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

const round = (value) => (value < 10 ? Number(value.toFixed(1)) : Math.round(value));

export function sizeInWords(bytes) {
  if (bytes >= 1e9) return `${round(bytes / 1e9)} GB`;
  if (bytes >= 1e6) return `${round(bytes / 1e6)} MB`;
  return `${Math.ceil(bytes / 1e3)} kB`;
}

// "" where nothing is known.
export function timeLeft(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  if (seconds < 90) return `about ${Math.max(1, Math.round(seconds))} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${minutes} min left`;
  return `about ${Math.floor(minutes / 60)} h ${minutes % 60} min left`;
}

export function likelihood(score) {
  if (score === null || score === undefined) return "";
  if (score >= LIKELY) return "likely";
  return score >= PERHAPS ? "perhaps" : "unlikely";
}

// What a job does now, and how much of it is left.
export function jobInWords(job, phase) {
  if (phase === "waiting") return { stage: "Waiting", left: job.ahead ? `${plural(job.ahead, "job")} before yours` : "You are next" };
  const steps = job.total ? `${job.done} of ${job.total}` : "", isOver = Boolean(job.total) && job.done >= job.total;
  return { stage: capital(job.stage || "Working"), left: [steps, isOver ? "" : timeLeft(job.eta)].filter(Boolean).join(", ") };
}

// Bytes that came of a download: { done, total, eta }.
export function downloadInWords({ done, total, eta }) {
  const came = total ? `${sizeInWords(done)} of ${sizeInWords(total)}` : sizeInWords(done);
  return [came, timeLeft(eta)].filter(Boolean).join(", ");
}
