// @ts-check
import { button, drawing, element } from "./dom.mjs"
import { boxView, fitView, limitView, pinch, toPicture, toStage, zoomAt } from "./geometry.mjs"

/** @typedef {import("./geometry.mjs").XY} XY */

/** Stage pixels that a pointer may tremble before a tap becomes a drag. */
const TREMBLE = 4
/** Stage pixels of one step of an arrow key. */
const PAN = 40
/** Magnification per wheel pixel, as an exponent. */
const WHEEL = 0.0016

/** A picture to look at closely: wheel and pinch magnify, dragging moves it, and others draw over it. */
export class Stage {
  /** Whether the next drag draws a box. */
  boxing = false
  /** @type {import("./geometry.mjs").Size | null} pixels of the picture, once there is one */
  picture = null
  view = { scale: 1, x: 0, y: 0 }

  #image = element("img", { alt: "", draggable: "false", class: "als-picture" })
  #patch = element("img", { alt: "", draggable: "false", class: "als-picture", hidden: "" })
  /** @type {readonly number[]} */
  #patchBox = [0, 0, 0, 0]
  #rubber = drawing("rect", { class: "als-rubber", visibility: "hidden" })
  #isFitted = true
  /** Box that is looked at, also when the stage changes its size; null when the view was moved by hand. */
  #lens = /** @type {ArrayLike<number> | null} */ (null)
  /** @type {Map<number, XY>} */
  #fingers = new Map()

  /**
   * @param {import("./scope.mjs").Scope} scope
   * @param {object} told
   * @param {() => void} told.onDraw the view or the size has changed
   * @param {(at: [number, number]) => void} told.onTap picture pixels
   * @param {(box: number[]) => void} told.onBox picture pixels
   */
  constructor(scope, { onDraw, onTap, onBox }) {
    this.lines = drawing("svg", { class: "als-lines", "aria-hidden": "true" })
    /** Takes the keys for the picture as a whole. */
    this.reach = button("", "", { class: "als-reach" })
    this.layer = element("div", { class: "als-layer" }, this.reach)
    // Nodes 2.0 keeps the wheel for the graph unless something in here has the focus
    this.element = element("div", { class: "als-stage", "data-capture-wheel": true })
    this.element.append(this.#image, this.#patch, this.lines, this.layer)
    this.told = { onTap, onBox }
    this.redraw = scope.onNextFrame(() => {
      this.#place(this.#image, this.picture ? [0, 0, this.picture.width, this.picture.height] : [0, 0, 0, 0])
      this.#place(this.#patch, this.#patchBox)
      onDraw()
      this.lines.append(this.#rubber)
    })
    const resized = new ResizeObserver(() => {
      if (!this.picture) return
      if (this.#lens) this.view = boxView(this.#lens, this.picture, this.size)
      else if (this.#isFitted) this.view = fitView(this.picture, this.size)
      else this.view = limitView(this.view, this.picture, this.size)
      this.redraw()
    })
    resized.observe(this.element)
    scope.onDispose(() => resized.disconnect())
    scope.listen(this.element, "wheel", (event) => this.#wheel(event), { passive: false })
    scope.listen(this.element, "pointerdown", (event) => this.#press(event))
    scope.listen(this.reach, "keydown", (event) => this.#key(event))
    scope.listen(this.element, "contextmenu", (event) => event.preventDefault())
  }

  get size() {
    return { width: this.element.clientWidth || 1, height: this.element.clientHeight || 1 }
  }

  /**
   * Where a pointer is, in stage pixels, however the page has magnified the stage.
   * @param {MouseEvent} event
   * @returns {[number, number]}
   */
  at({ clientX, clientY }) {
    const { left, top, width } = this.element.getBoundingClientRect()
    const shrunk = this.size.width / (width || 1)
    return [(clientX - left) * shrunk, (clientY - top) * shrunk]
  }

  /** @param {ArrayLike<number>} point picture pixels */
  toStage(point) {
    return toStage(this.view, point)
  }

  /** @param {XY} at stage pixels */
  toPicture(at) {
    return toPicture(this.view, at)
  }

  /** @param {string} url @param {import("./geometry.mjs").Size} picture */
  show(url, picture) {
    this.#image.src = url
    const isNew = picture.width !== this.picture?.width || picture.height !== this.picture?.height
    this.picture = picture
    if (isNew) this.fit()
    this.redraw()
  }

  clear() {
    this.picture = null
    this.#image.removeAttribute("src")
    this.cover()
  }

  /**
   * Lay another picture over a part of this one, or take it away.
   * @param {string} [url]
   * @param {readonly number[]} [box]
   */
  cover(url, box) {
    this.#patch.hidden = !url
    if (url) this.#patch.src = url
    if (box) this.#patchBox = box
    this.redraw()
  }

  fit() {
    this.#isFitted = true
    this.#lens = null
    if (this.picture) this.view = fitView(this.picture, this.size)
    this.redraw()
  }

  /** Whether a box takes up little of what is shown. @param {ArrayLike<number>} box picture pixels */
  isSmall(box) {
    const size = Math.max(box[2] - box[0], box[3] - box[1]) * this.view.scale
    return size < 0.4 * Math.min(this.size.width, this.size.height)
  }

  /** @param {ArrayLike<number>} box picture pixels */
  closeUp(box) {
    if (!this.picture) return
    this.#isFitted = false
    this.#lens = box
    this.view = boxView(box, this.picture, this.size)
    this.redraw()
  }

  /** @param {number} factor @param {XY} [at] stage pixels */
  zoom(factor, at = [this.size.width / 2, this.size.height / 2]) {
    if (!this.picture) return
    this.#lens = null
    this.view = zoomAt(this.view, at, factor, this.picture, this.size)
    this.#isFitted = this.view.scale <= fitView(this.picture, this.size).scale
    this.redraw()
  }

  #place(image, /** @type {readonly number[]} */ [x1, y1, x2, y2]) {
    const [left, top] = this.toStage([x1, y1])
    const { scale } = this.view
    Object.assign(image.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${(x2 - x1) * scale}px`,
      height: `${(y2 - y1) * scale}px`,
    })
  }

  #wheel(event) {
    event.preventDefault()
    event.stopPropagation()
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 16 : 1) * WHEEL), this.at(event))
  }

  /** Arrows pan, + and - magnify, 0 shows all. */
  #key(event) {
    const way = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key]
    const factor = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 }[event.key]
    if (!this.picture || (!way && !factor && event.key !== "0")) return
    event.preventDefault()
    event.stopPropagation()
    if (factor) this.zoom(factor)
    else if (way) this.#pan(way[0] * PAN, way[1] * PAN)
    else this.fit()
  }

  /** @param {number} dx stage pixels @param {number} dy */
  #pan(dx, dy) {
    if (!this.picture) return
    const { scale, x, y } = this.view
    this.#lens = null
    this.view = limitView({ scale, x: x + dx, y: y + dy }, this.picture, this.size)
    this.redraw()
  }

  /** Pan with one pointer, pinch with two, tap, or draw a box; until the last pointer is lifted. */
  #press(event) {
    event.stopPropagation()
    if (!this.picture || event.button > 1 || this.#fingers.size > 1) return
    const { pointerId } = event
    const gesture = new AbortController()
    const { signal } = gesture
    const start = this.at(event)
    let [moved, boxing] = [false, this.boxing]
    this.#fingers.set(pointerId, start)
    this.reach.focus({ preventScroll: true })
    event.preventDefault() // which would move the focus on to nothing
    this.element.setPointerCapture(pointerId)
    const listen = (type, handler) =>
      this.element.addEventListener(type, (other) => other.pointerId === pointerId && handler(other), { signal })

    listen("pointermove", (event) => {
      const picture = this.picture
      const before = this.#fingers.get(pointerId)
      const now = this.at(event)
      if (!picture || !before) return
      moved ||= Math.hypot(now[0] - start[0], now[1] - start[1]) > TREMBLE
      const other = [...this.#fingers].find(([id]) => id !== pointerId)?.[1]
      this.#fingers.set(pointerId, now)
      if (other) {
        ;[boxing, moved, this.#isFitted, this.#lens] = [false, true, false, null]
        this.view = pinch(this.view, [before, other], [now, other], picture, this.size)
      } else if (boxing) {
        const [x, y, width, height] = spanned(start, now)
        for (const [name, value] of Object.entries({ x, y, width, height }))
          this.#rubber.setAttribute(name, String(value))
        this.#rubber.setAttribute("visibility", "visible")
      } else if (moved) {
        this.#pan(now[0] - before[0], now[1] - before[1])
      }
      this.redraw()
    })
    const end = (isDone) => (event) => {
      gesture.abort()
      this.#fingers.delete(pointerId)
      this.#rubber.setAttribute("visibility", "hidden")
      const now = this.at(event)
      if (isDone && boxing && moved) {
        const [x, y, width, height] = spanned(start, now)
        this.told.onBox([...this.toPicture([x, y]), ...this.toPicture([x + width, y + height])])
      } else if (isDone && !moved) this.told.onTap(this.toPicture(now))
    }
    listen("pointerup", end(true))
    listen("pointercancel", end(false))
  }
}

/** x, y, width and height of the rectangle between two corners. @param {XY} a @param {XY} b */
function spanned(a, b) {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])]
}
