// @ts-check
// The keypoints of one face over its picture: nine handles to drag, their names, and the lines of the mouth.
import { button, drawing, element } from "./dom.mjs"
import { CHIN, LOWER_LIP, POINTS, isShut, mouthLines } from "./faces.mjs"
import { curvePath } from "./geometry.mjs"

/** @typedef {import("./faces.mjs").Row} Row */
/**
 * @typedef {object} Grip one point, held
 * @property {readonly number[]} start where it was, picture pixels
 * @property {(to: [number, number], isMirrored: boolean, gesture: string) => void} move
 * @property {() => void} release the next move is a step of its own
 * @property {() => void} cancel take back what was moved since
 */

/** Stage pixels from a shut mouth's lips down to the tab that parts them: at most, and at least. */
const TAB = [24, 12]
/** Stage pixels of one step of an arrow key, without and with Shift. */
const STEP = [1, 10]
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

export class FaceHandles {
  /** Number of the handle that is pointed at or focused; -1 for none. */
  pointed = -1
  #handles
  #label = element("span", { class: "als-name", "aria-hidden": "true", hidden: "" })

  /**
   * @param {import("./scope.mjs").Scope} scope
   * @param {import("./stage.mjs").Stage} stage
   * @param {typeof import("./words.mjs").WORDS.faces} words
   * @param {object} told
   * @param {() => void} told.onPoint another one is pointed at
   * @param {(point: number) => Grip | null} told.grab
   * @param {(point: number) => void} told.onReset put it back to where it is found
   */
  constructor(scope, stage, words, told) {
    this.scope = scope
    this.stage = stage
    this.words = words
    this.told = told
    this.#handles = POINTS.map((name, index) => this.#build(name, index))
    stage.layer.append(...this.#handles, this.#label)
  }

  /** The mouth's lines and the handles, over what the stage has. @param {Row | undefined} row */
  draw(row) {
    const { stage } = this
    for (const handle of this.#handles) handle.hidden = !row
    this.#label.hidden = !row || this.pointed < 0
    if (!row) return
    const { upper, lower, jaw, hinges } = mouthLines(row.points)
    const path = (kind, points) => drawing("path", { class: kind, d: curvePath(points.map((at) => stage.toStage(at))) })
    const circles = hinges.map((hinge) => {
      const [cx, cy] = stage.toStage(hinge)
      return drawing("circle", { class: "als-hinge", cx, cy, r: 11 })
    })
    const axis = hinges.length > 1 ? [path("als-hinge", hinges)] : []
    const [x, y] = stage.toStage(row.points[LOWER_LIP])
    const stem = drawing("path", { class: "als-lower", d: `M${x} ${y}v${this.#tab(row.points)}` })
    const lips = [path("als-lower", lower), path("als-upper", upper)]
    stage.lines.append(path("als-jaw", jaw), ...axis, ...circles, stem, ...lips)
    this.#handles.forEach((handle, index) => {
      const [x, y, score] = row.points[index]
      const [left, top] = stage.toStage([x, y])
      handle.style.left = `${left}px`
      handle.style.top = `${top + (index === LOWER_LIP ? this.#tab(row.points) : 0)}px`
      handle.classList.toggle("als-estimate", score === 0)
      handle.ariaDescription = `${Math.round(x)}, ${Math.round(y)}`
    })
    const named = this.#handles[this.pointed]
    if (!named) return
    this.#label.textContent = this.words[POINTS[this.pointed]]
    Object.assign(this.#label.style, { left: named.style.left, top: named.style.top })
  }

  /** @param {string} name @param {number} index */
  #build(name, index) {
    const { scope } = this
    const handle = button("", this.words[name], { class: `als-handle als-${name}`, "data-point": name })
    handle.removeAttribute("title") // the label beside it comes at once
    const point = (/** @type {number} */ at) => () => {
      this.pointed = at
      this.told.onPoint()
    }
    for (const type of ["pointerenter", "focus"]) scope.listen(handle, type, point(index))
    for (const type of ["pointerleave", "blur"]) scope.listen(handle, type, point(-1))
    scope.listen(handle, "pointerdown", (event) => this.#drag(event, handle, index))
    scope.listen(handle, "dblclick", () => this.told.onReset(index))
    scope.listen(handle, "keydown", (event) => {
      const way = WAYS[event.key]
      if (event.key === "Delete" || event.key === "Backspace") this.told.onReset(index)
      const grip = way && this.told.grab(index)
      if (!grip) return
      event.preventDefault()
      const step = STEP[Number(event.shiftKey)] / this.stage.view.scale
      const [x, y] = grip.start
      grip.move([x + way[0] * step, y + way[1] * step], event.altKey, `nudge ${name}`)
    })
    return handle
  }

  /** One drag of a handle, from press to release; Escape takes it back. */
  #drag(event, handle, index) {
    event.stopPropagation()
    const { stage } = this
    const grip = event.button ? null : this.told.grab(index)
    if (!grip) return
    const gesture = new AbortController()
    const { pointerId } = event
    const start = stage.toPicture(stage.at(event))
    const [x, y] = grip.start
    const listen = (type, handler) => handle.addEventListener(type, handler, { signal: gesture.signal })
    grip.release()
    handle.setPointerCapture(pointerId)
    handle.focus()
    listen("pointermove", (event) => {
      if (event.pointerId !== pointerId) return
      const now = stage.toPicture(stage.at(event))
      grip.move([x + now[0] - start[0], y + now[1] - start[1]], event.altKey, "drag")
    })
    const end = () => {
      gesture.abort()
      grip.release()
    }
    listen("pointerup", end)
    listen("pointercancel", end)
    listen("keydown", (event) => {
      if (event.key !== "Escape") return
      event.preventDefault()
      event.stopPropagation()
      grip.cancel()
      end()
    })
  }

  /**
   * How far below the lower lip its handle hangs, so that the upper lip's does not cover it.
   * @param {Row["points"]} points
   */
  #tab(points) {
    const room = (points[CHIN][1] - points[LOWER_LIP][1]) * this.stage.view.scale
    return isShut(points) ? Math.max(TAB[1], Math.min(TAB[0], room / 2)) : 0
  }
}
