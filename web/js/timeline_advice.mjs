// @ts-check
// What the viseme editor says of what is selected, and how to go on.
import { soundOf, SOUNDS } from "./timeline_draw.mjs"
import { formatTime } from "./timeline_layout.mjs"
import { fill, WORDS } from "./words.mjs"

/** A word that has the sound of a viseme. @param {string} viseme */
export function exampleOf(viseme) {
  const words = WORDS.timeline
  if (viseme === "sil") return words.silence
  return fill(viseme === "PP" ? words.lipsShut : words.asIn, SOUNDS[viseme])
}

/** @param {import("./timeline_state.mjs").TimelineState} state */
export function describeSelection({ key, keys, selected, cues, channel }) {
  const words = WORDS.timeline
  if (key >= 0) {
    const [time, value] = keys[key]
    const about = { channel: words[channel], value: Number(value.toFixed(2)), time: formatTime(time) }
    return fill(words.selectedKey, about)
  }
  if (!selected) return cues.length ? words.hint : ""
  const [{ start, viseme }, { end }] = [cues[selected.first], cues[selected.last]]
  const count = selected.last - selected.first + 1
  const about = { count, start: formatTime(start), end: formatTime(end) }
  if (count > 1) return fill(words.selectedMany, about)
  return fill(words.selected, { ...about, viseme, sound: soundOf(viseme), example: exampleOf(viseme) })
}
