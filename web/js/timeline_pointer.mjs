// @ts-check
// What a pointer does on the lanes of the viseme editor: go to, choose, drag mouth shapes, their edges and the curve.
import { Scope } from "./scope.mjs"
import { clamp, moveEdge } from "./timeline_cues.mjs"
import * as layout from "./timeline_layout.mjs"

const MOVED = 3 // pixels that make a click a drag
const CATCH = 7 // pixels from the red line within which edges snap to it
const NEAR_CURVE = 12 // pixels

export class TimelinePointer {
  #editor
  /** @type {((event: PointerEvent | null) => void) | null} ends the gesture; null cancels it */
  #gesture = null
  /** @type {{index: number, part: string} | null} */
  hover = null
  /** @type {{x: number, y: number} | null} where on the curve a press would set a key */
  ghost = null

  /** @param {Scope} scope @param {import("./timeline.mjs").Timeline} editor */
  constructor(scope, editor) {
    this.#editor = editor
    const { lanes } = editor.parts
    scope.listen(lanes, "pointerdown", (event) => this.#press(event))
    scope.listen(lanes, "pointermove", (event) => this.#point(event))
    scope.listen(lanes, "pointerleave", () => this.#point(null))
    scope.listen(lanes, "dblclick", (event) => this.#doubleClick(event))
  }

  /** Take back what a gesture that is under way did. @returns {boolean} whether there was one */
  cancel() {
    const isUnderWay = this.#gesture !== null
    this.#gesture?.(null)
    return isUnderWay
  }

  /** Pixels of the lanes, whatever the zoom of the graph. @param {{clientX: number, clientY: number}} event */
  at({ clientX, clientY }) {
    const box = this.#editor.parts.lanes.getBoundingClientRect()
    const x = ((clientX - box.left) / box.width) * this.#editor.view.width
    return {
      x,
      y: ((clientY - box.top) / box.height) * this.#editor.height,
      time: layout.xToTime(this.#editor.view, x),
    }
  }

  /** What a press here would take hold of. @param {number} x @param {number} y */
  #under(x, y) {
    const { cues, keys, channel, duration, rows } = this.#editor.state
    const lane = layout.laneAt(this.#editor.lanes, y)
    const nothing = { lane, cue: null, key: -1, curve: NaN }
    if (lane === "cues") return { ...nothing, cue: layout.hitCue(cues, this.#editor.view, x) }
    if (lane !== "curve" || !duration) return nothing
    const key = layout.hitKey(keys, this.#editor.view, this.#editor.lanes.curve, channel, x, y)
    const curve = layout.valueToY(
      this.#editor.lanes.curve,
      rows.at(layout.xToTime(this.#editor.view, x))[channel],
      channel,
    )
    return { ...nothing, key, curve: key < 0 && Math.abs(curve - y) < NEAR_CURVE ? curve : NaN }
  }

  /** What is under it, or nothing when it has left. @param {PointerEvent | null} event */
  #point(event) {
    if (this.#gesture) return
    this.hover = this.ghost = null
    let cursor = "default"
    if (event) {
      const { x, y } = this.at(event)
      const { lane, cue, key, curve } = this.#under(x, y)
      this.hover = cue
      if (cue) cursor = cue.part === "body" ? "grab" : "ew-resize"
      else if (key >= 0) cursor = "grab"
      else if (!Number.isNaN(curve)) {
        cursor = "ns-resize"
        this.ghost = { x, y: curve }
      } else if (lane === "wave") cursor = "text"
      else if (lane === "ruler" || lane === "words") cursor = "pointer"
    }
    this.#editor.parts.lanes.style.cursor = cursor
    this.#editor.redraw()
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button !== 0 || this.#gesture) return
    this.#editor.parts.lanes.focus({ preventScroll: true })
    const { x, y, time } = this.at(event)
    const { lane, cue, key, curve } = this.#under(x, y)
    const name = `drag ${event.timeStamp}`
    const word = lane === "words" && this.#editor.state.words.find(({ start, end }) => time >= start && time < end)
    if (lane === "ruler") {
      this.#editor.goTo(time, true)
      this.#drag(event, (at) => this.#editor.goTo(at.time, true))
    } else if (word) {
      this.#editor.span = null
      this.#editor.state.selectWord(word)
      this.#editor.goTo(word.start)
    } else if (lane === "wave" || lane === "words") {
      this.#editor.span = null
      this.#editor.goTo(time)
      this.#drag(event, (at) => this.#choose(time, at.time))
    } else if (cue) this.#pressCue(event, cue, time, name)
    else if (key >= 0 || !Number.isNaN(curve)) this.#pressKey(event, key, time, name)
    else {
      this.#editor.state.deselect()
      this.#editor.goTo(time)
    }
  }

  /** What the loop plays. @param {number} from @param {number} to seconds */
  #choose(from, to) {
    const { duration, frame } = this.#editor.state
    const span = { start: clamp(Math.min(from, to), 0, duration), end: clamp(Math.max(from, to), 0, duration) }
    this.#editor.span = span.end - span.start > 2 * frame ? span : null
    this.#editor.refresh()
  }

  /**
   * @param {PointerEvent} event
   * @param {{index: number, part: "start" | "end" | "body"}} cue
   * @param {number} time
   * @param {string} name
   */
  #pressCue(event, { index, part }, time, name) {
    const state = this.#editor.state
    const { cues, duration, selected } = state
    const isWithin = selected && index >= selected.first && index <= selected.last
    if (event.shiftKey || !isWithin || part !== "body") state.select(index, event.shiftKey)
    if (!this.#editor.player.isPlaying) this.#editor.goTo(time, true)
    const range = state.selected ?? { first: index, last: index }
    const snap = (/** @type {number} */ at) => state.snap(at, this.#editor.player.time, CATCH / this.#editor.view.scale)
    const move = (/** @type {{time: number}} */ at) => {
      const start = cues[range.first].start
      if (part !== "body") return state.commit({ cues: moveEdge(cues, index, part, snap(at.time), duration) }, name)
      state.moveCues(cues, range, snap(start + at.time - time) - start, name)
    }
    this.#drag(event, move, () => {
      if (!event.shiftKey) state.select(index)
      this.#editor.refresh()
    })
    this.#editor.refresh()
  }

  /** @param {PointerEvent} event @param {number} key or -1 to set one @param {number} time @param {string} name */
  #pressKey(event, key, time, name) {
    const state = this.#editor.state
    const { keys, channel } = state
    const lane = this.#editor.lanes.curve
    state.deselect()
    state.key = key
    const offset = key < 0 ? 0 : layout.valueToY(lane, keys[key][1], channel) - this.at(event).y
    this.#drag(event, (at) => {
      const value = layout.yToValue(lane, at.y + offset, channel)
      if (key < 0) state.setKey(state.snap(time), value, name)
      else state.moveKey(keys, key, state.snap(at.time), value, name)
      this.#editor.refresh()
    })
    this.#editor.refresh()
  }

  /**
   * Follow the pointer until it is let go; Escape takes back what it did.
   * @param {PointerEvent} event
   * @param {(at: {x: number, y: number, time: number}) => void} move
   * @param {() => void} click when it did not move
   */
  #drag(event, move, click = () => {}) {
    const [{ lanes }, { moment }] = [this.#editor.parts, this.#editor.state]
    const from = this.at(event)
    const gesture = new Scope()
    let moved = false
    lanes.setPointerCapture(event.pointerId)
    this.#gesture = (end) => {
      gesture.dispose()
      this.#gesture = null
      if (lanes.hasPointerCapture(event.pointerId)) lanes.releasePointerCapture(event.pointerId)
      if (!end) this.#editor.state.undoTo(moment)
      else if (!moved) click()
      this.#editor.state.endGesture()
      this.#point(end)
    }
    gesture.listen(lanes, "pointermove", (now) => {
      const at = this.at(now)
      moved ||= Math.hypot(at.x - from.x, at.y - from.y) >= MOVED
      if (moved) move(at)
    })
    gesture.listen(lanes, "pointerup", (now) => this.#gesture?.(now))
    gesture.listen(lanes, "pointercancel", () => this.#gesture?.(null))
  }

  /** @param {MouseEvent} event */
  #doubleClick(event) {
    const state = this.#editor.state
    const { x, y, time } = this.at(event)
    const { lane, cue, key } = this.#under(x, y)
    if (key >= 0) {
      state.key = key
      state.remove()
    } else if (lane === "curve") {
      state.setKey(state.snap(time), layout.yToValue(this.#editor.lanes.curve, y, state.channel))
    } else if (lane === "cues" && !cue) state.insert("aa", time)
    else if (cue?.part === "body") state.split(time)
    this.#editor.refresh()
  }
}
