// @ts-check
import { drawing } from "./dom.mjs"

/** Strokes in a square of 16. */
const STROKES = {
  undo: "M6 3 2.5 6.5 6 10M3 6.5h6a4 4 0 0 1 0 8H7",
  redo: "M10 3l3.5 3.5L10 10M13 6.5H7a4 4 0 0 0 0 8h2",
  reset: "M3 8a5 5 0 1 0 1.6-3.7L3 6M3 2.5V6h3.5",
  mirror: "M8 2v12M5.5 5 2 8l3.5 3M10.5 5 14 8l-3.5 3M2 8h3M14 8h-3",
  box: "M2 5V2h3M11 2h3v3M14 11v3h-3M5 14H2v-3M8 5.5v5M5.5 8h5",
  find: "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9M10.5 10.5 14 14",
  zoomIn: "M3 8h10M8 3v10",
  zoomOut: "M3 8h10",
  fit: "M2 3.5h12v9H2zM5 6.5h6v3H5z",
  closeUp: "M8 1.5v3M8 11.5v3M1.5 8h3M11.5 8h3M8 4.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7",
  text: "M5.5 2C4 2 4 3 4 5s0 2.5-1.5 3C4 8.5 4 9 4 11s0 3 1.5 3M10.5 2C12 2 12 3 12 5s0 2.5 1.5 3C12 8.5 12 9 12 11s0 3-1.5 3",
  expand: "M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9",
  speak: "M4 2.5 13 8l-9 5.5z",
  pause: "M5 3v10M11 3v10",
  earlier: "M11 3 5 8l6 5z",
  later: "M5 3l6 5-6 5z",
  set: "M8 2l5 6-5 6-5-6z",
}

/** @param {keyof typeof STROKES} name */
export function icon(name) {
  const svg = drawing("svg", { class: `als-icon als-icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" })
  svg.append(drawing("path", { d: STROKES[name] }))
  return svg
}
