// @ts-check
import { element } from "./dom.mjs"
import { FaceView } from "./face_view.mjs"
import { rankFaces } from "./faces.mjs"
import { History } from "./history.mjs"
import { readPick, writePick } from "./pick.mjs"
import { listenToUndo, toggleLargeView, tool, toolbar, zoomTools } from "./tools.mjs"
import { WORDS, fill } from "./words.mjs"

/**
 * Shows the animals of a picture or clip and lets the one that speaks be clicked, or a box be drawn round its head; its
 * document is a pick as text (pick.mjs), "" for what a rule chooses.
 */
export class FacePicker {
  /** @type {History<string>} */
  #history = new History("")
  #rule = { speaker: "leftmost", number: 0 }

  /**
   * @param {import("./scope.mjs").Scope} scope
   * @param {import("./face_view.mjs").Server} server
   * @param {(text: string) => void} onChange
   * @param {typeof WORDS.faces} words
   */
  constructor(scope, server, onChange, words = WORDS.faces) {
    this.scope = scope
    this.onChange = onChange
    this.words = words
    this.view = new FaceView(scope, server, words, {
      heads: () => this.#heads(),
      onChoose: (index) => this.#choose(index),
      onBox: (box) => this.#pick({ box }),
      onChange: () => this.#refresh(),
      frames: () => [this.view.frame],
    })
    this.#build()
  }

  /** The document as text. @returns {string} */
  get text() {
    return this.#history.state
  }

  /** Take over a document from outside. @param {unknown} text */
  set text(text) {
    const value = typeof text === "string" ? text : ""
    if (value === this.text) return
    this.#history = new History(value)
    this.#refresh()
  }

  /** What chooses where nothing is picked. @param {string} speaker @param {number} number */
  setRule(speaker, number) {
    if (speaker === this.#rule.speaker && number === this.#rule.number) return
    this.#rule = { speaker, number }
    this.#refresh()
  }

  /** @param {string} file @param {string} [reason] as `FaceView.setFile` */
  setFile(file, reason) {
    this.view.setFile(file, reason)
  }

  /** The pick in the pixels of the picture, if it was made in the frame that is shown. */
  #shownPick() {
    const { source, frame } = this.view
    const { pick } = readPick(this.text)
    if (!pick || !source || pick.frame !== frame) return null
    const scale = source.width / pick.width
    return { point: pick.point?.map((value) => value * scale), box: pick.box?.map((value) => value * scale) }
  }

  /** @returns {import("./face_view.mjs").Head[]} numbered from left to right, as a run numbers them */
  #heads() {
    const found = this.view.found.get(this.view.frame)?.faces ?? []
    const drawn = this.#shownPick()?.box
    const chosen = this.#chosen()
    const heads = rankFaces(found, "leftmost", this.view.source).map((index, number) => {
      const { species, rows } = found[index]
      return { number, species, box: rows[0].box, isChosen: index === chosen }
    })
    return drawn ? [...heads, { number: heads.length, species: this.words.drawn, box: drawn, isChosen: true }] : heads
  }

  /** Index of the face found in this frame that speaks; -1 when it is none of them, or not known here. */
  #chosen() {
    const found = this.view.found.get(this.view.frame)?.faces ?? []
    const { point, box } = this.#shownPick() ?? {}
    if (box || (this.text && !point)) return -1
    if (!point) return rankFaces(found, this.#rule.speaker, this.view.source)[this.#rule.number] ?? -1
    const far = found.map(({ rows: [{ box }] }) => {
      const outside = [0, 1].map((i) => Math.max(0, box[i] - point[i], point[i] - box[i + 2]))
      const middle = [0, 1].map((i) => (box[i] + box[i + 2]) / 2 - point[i])
      return Math.hypot(...outside) * 1e6 + Math.hypot(...middle)
    })
    return far.indexOf(Math.min(...far))
  }

  /** @param {number} number */
  #choose(number) {
    const [x1, y1, x2, y2] = this.#heads()[number].box
    this.#pick({ point: [(x1 + x2) / 2, (y1 + y2) / 2] })
  }

  /** @param {{point?: number[], box?: number[]}} place */
  #pick(place) {
    const { source, frame } = this.view
    if (source) this.#commit(writePick({ width: source.width, height: source.height, frame, ...place }))
  }

  /** @param {string} text */
  #commit(text) {
    this.#history.commit(text)
    this.#tell()
  }

  #tell() {
    this.onChange(this.text)
    this.#refresh()
  }

  /** @param {boolean} isRedo */
  #undo(isRedo) {
    if (isRedo) this.#history.redo()
    else this.#history.undo()
    this.#tell()
  }

  #build() {
    const { words, scope, view } = this
    this.tools = {
      undo: tool(scope, "undo", words.undo, () => this.#undo(false)),
      redo: tool(scope, "redo", words.redo, () => this.#undo(true)),
      reset: tool(scope, "reset", words.byRule, () => this.#commit("")),
      box: tool(scope, "box", words.box, () => (view.boxing = !view.boxing)),
      ...zoomTools(scope, view.stage, words),
      expand: tool(scope, "expand", words.expand, () => toggleLargeView(scope, this.element, words.choose)),
    }
    const { undo, redo, reset, box, zoomOut, zoomIn, fit, expand } = this.tools
    const bar = toolbar([undo, redo, reset], [box], [zoomOut, zoomIn, fit], [expand])
    this.element = element(
      "div",
      { class: "als-panel als-editor als-picker" },
      bar,
      view.stage.element,
      view.clip,
      view.note,
    )
    listenToUndo(scope, this.element, (isRedo) => this.#undo(isRedo))
  }

  /** @returns {[text: string, isWarning: boolean]} */
  #advice() {
    const { words, view } = this
    const { pick, problem } = readPick(this.text)
    if (view.boxing) return [words.boxHint, false]
    if (problem) return [fill(words.brokenPick, { problem }), true]
    if (!view.found.has(view.frame)) return [view.note.textContent ?? "", view.note.classList.contains("als-warning")]
    if (pick && pick.frame !== view.frame) return [fill(words.pickedIn, { frame: pick.frame + 1 }), false]
    const heads = this.#heads()
    if (!heads.length) return [words.none, true]
    const chosen = heads.find((head) => head.isChosen)
    return [chosen ? `${fill(words.speaks, chosen)} ${words.chooseHint}` : words.chooseHint, false]
  }

  #refresh() {
    const { view } = this
    this.tools.undo.disabled = !this.#history.canUndo
    this.tools.redo.disabled = !this.#history.canRedo
    this.tools.reset.disabled = !this.text
    this.tools.box.ariaPressed = String(view.boxing)
    const { pick } = readPick(this.text)
    view.mark(pick ? [pick.frame] : [])
    view.say(...this.#advice())
    view.refresh()
  }
}
