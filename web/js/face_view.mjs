// @ts-check
import { button, drawing, element, latestOnly } from "./dom.mjs"
import { parseFaces, sameFace } from "./faces.mjs"
import { Stage } from "./stage.mjs"
import { fill } from "./words.mjs"

/** @typedef {import("./faces.mjs").Faces} Faces */
/** @typedef {import("./faces.mjs").Row} Row */
/** @typedef {{width: number, height: number, frames: number, picture: string}} Source */
/** @typedef {{number: number, species: string, box: readonly number[], isChosen: boolean}} Head in picture pixels */
/**
 * @typedef {object} Server
 * @property {(file: string, frame: number) => Promise<{picture: Blob, source: Source}>} frame
 * @property {(file: string, frame: number, boxes?: number[][]) => Promise<any>} faces FACES.json of a frame
 * @property {(file: string, frame: number, faces: object, motion: object) => Promise<{picture: Blob, box: number[]}>} mouth
 * @property {(text: string) => Promise<any>} table FACES.json of a table of keypoints
 */
/**
 * @typedef {object} Told
 * @property {() => Head[]} heads what to draw boxes round
 * @property {(index: number) => void} onChoose one of them was clicked
 * @property {(box: number[]) => void} onBox a box was drawn, picture pixels
 * @property {() => void} onChange another frame, or faces found in it
 * @property {() => number[]} frames in which faces have to be known
 * @property {() => void} [onDraw] called after the boxes are drawn
 */

/** A picture, or one frame of a clip to scrub through, with the animals found in it as numbered boxes. */
export class FaceView {
  file = ""
  frame = 0
  /** @type {Source | null} */
  source = null
  /** @type {Map<number, Faces>} found automatically, by frame */
  found = new Map()

  /** @type {HTMLInputElement[]} one per face */
  #chips = []
  #url = ""
  #load

  /**
   * @param {import("./scope.mjs").Scope} scope
   * @param {Server} server
   * @param {typeof import("./words.mjs").WORDS.faces} words
   * @param {Told} told
   */
  constructor(scope, server, words, told) {
    this.scope = scope
    this.server = server
    this.words = words
    this.told = told
    this.stage = new Stage(scope, {
      onDraw: () => this.#draw(),
      onTap: (at) => this.#tap(at),
      onBox: (box) => {
        this.boxing = false
        told.onBox(box)
      },
    })
    this.stage.element.setAttribute("role", "group")
    this.stage.element.ariaLabel = this.stage.reach.ariaLabel = words.picture
    this.note = element("div", { class: "als-note", role: "status" })
    this.scrubber = element("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": words.frame })
    this.number = element("output", { class: "als-number" })
    this.marks = element("div", { class: "als-marks", "aria-hidden": "true" })
    this.track = element("div", { class: "als-track" }, this.scrubber, this.marks)
    this.clip = element("div", { class: "als-row", hidden: "" }, this.track, this.number)
    this.#load = latestOnly((/** @type {number} */ frame) => this.#loadFrame(frame))
    scope.listen(this.scrubber, "input", () => this.show(this.scrubber.valueAsNumber))
    scope.onDispose(() => URL.revokeObjectURL(this.#url))
  }

  /** Whether the next drag draws a box. */
  get boxing() {
    return this.stage.boxing
  }

  set boxing(isBoxing) {
    this.stage.boxing = isBoxing
    this.stage.element.classList.toggle("als-boxing", isBoxing)
    this.told.onChange()
  }

  /**
   * The picture or clip to show.
   * @param {string} file as ComfyUI's widgets name it; "" when there is none
   * @param {string} reason why there is none
   */
  setFile(file, reason = "") {
    if (file === this.file && !reason) return
    this.file = file
    this.frame = 0
    this.source = null
    this.found.clear()
    this.stage.clear()
    this.told.onChange()
    if (file) this.show(0)
    else this.say(reason, true)
  }

  /** @param {number} frame */
  show(frame) {
    return this.#load(frame)
  }

  /** @param {string} text @param {boolean} isWarning */
  say(text, isWarning = false) {
    this.note.textContent = text
    this.note.classList.toggle("als-warning", isWarning)
  }

  /**
   * An animal as it is found in a frame, where that is known.
   * @param {import("./faces.mjs").Face} face
   * @param {number} frame
   */
  foundRow(face, frame) {
    const found = this.found.get(frame)
    const near = face.rows.reduce((a, b) => (Math.abs(b.frame - frame) < Math.abs(a.frame - frame) ? b : a))
    return found && sameFace(near, found.faces)
  }

  /** FACES.json of heads of which only the boxes are known. @param {number[][]} boxes @returns {Promise<Faces>} */
  async inBoxes(boxes) {
    return following(parseFaces(await this.server.faces(this.file, this.frame, boxes)))
  }

  /** @param {number} frame */
  async #loadFrame(frame) {
    const { file } = this
    const isCurrent = () => file === this.file && !this.scope.disposed
    try {
      const { picture, source } = await this.server.frame(file, frame)
      if (!isCurrent()) return
      this.source = source
      this.frame = frame
      URL.revokeObjectURL(this.#url)
      this.#url = URL.createObjectURL(picture)
      this.stage.show(this.#url, source)
      this.told.onChange()
      for (const other of this.told.frames()) {
        if (this.found.has(other)) continue
        if (other === frame && !this.told.heads().length) this.say(this.words.looking)
        const document = await this.server.faces(file, other)
        if (!isCurrent()) return
        this.found.set(other, following(parseFaces(document)))
        this.told.onChange()
      }
    } catch (error) {
      if (isCurrent()) this.say(error.message, true)
    }
  }

  /** @param {[number, number]} at picture pixels */
  #tap([x, y]) {
    const isInside = (/** @type {readonly number[]} */ [x1, y1, x2, y2]) => x >= x1 && x <= x2 && y >= y1 && y <= y2
    const index = this.told.heads().findIndex(({ box, isChosen }) => !isChosen && isInside(box))
    if (index >= 0) this.told.onChoose(index)
  }

  refresh() {
    const frames = this.source?.frames ?? 1
    this.clip.hidden = frames < 2
    this.scrubber.max = String(frames - 1)
    this.scrubber.value = String(this.frame)
    this.number.textContent = `${this.frame + 1} / ${frames}`
    this.stage.redraw()
  }

  /** Mark frames on the scrubber. @param {number[]} frames */
  mark(frames) {
    const last = Math.max(1, (this.source?.frames ?? 1) - 1)
    const marks = frames.map((frame) => {
      const mark = element("i")
      mark.style.left = `${(100 * frame) / last}%`
      return mark
    })
    this.marks.replaceChildren(...marks)
  }

  #draw() {
    const { stage } = this
    const heads = stage.picture ? this.told.heads() : []
    while (this.#chips.length < heads.length) this.#addChip()
    this.#chips.forEach((chip, index) => (chip.hidden = index >= heads.length))
    const boxes = heads.map(({ number, species, box, isChosen }, index) => {
      const [x, y] = stage.toStage([box[0], box[1]])
      const [right, bottom] = stage.toStage([box[2], box[3]])
      const chip = this.#chips[index]
      chip.value = `${number} ${species}`
      chip.title = chip.ariaLabel = fill(this.words.face, { number, species })
      chip.ariaPressed = String(isChosen)
      chip.style.left = `${Math.max(0, x)}px`
      chip.style.top = `${Math.max(0, y)}px`
      const kind = isChosen ? "als-box als-chosen" : "als-box"
      return drawing("rect", { class: kind, x, y, width: right - x, height: bottom - y, rx: 4 })
    })
    stage.lines.replaceChildren(...boxes)
    this.told.onDraw?.()
  }

  #addChip() {
    const index = this.#chips.length
    const chip = button("", "", { class: "als-chip" })
    this.scope.listen(chip, "pointerdown", (event) => event.stopPropagation())
    this.scope.listen(chip, "click", () => this.told.onChoose(index))
    const last = this.#chips.at(-1)
    if (last) last.after(chip)
    else this.stage.reach.after(chip)
    this.#chips.push(chip)
  }
}

/**
 * What was found in one frame of a clip holds for the others as the animal moves.
 * @param {Faces} faces
 * @returns {Faces}
 */
function following(faces) {
  return { ...faces, faces: faces.faces.map((face) => ({ ...face, follow: faces.frames > 1 })) }
}
