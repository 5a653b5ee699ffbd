// @ts-check
import { element, latestOnly } from "./dom.mjs"
import { FaceHandles } from "./face_handles.mjs"
import { FaceView } from "./face_view.mjs"
import {
  LOWER_LIP,
  POINTS,
  UPPER_LIP,
  dragMoves,
  facesDocument,
  isSamePicture,
  isShut,
  movePoints,
  parseFaces,
  readFaces,
  resizeFaces,
  rowAt,
  setFrame,
  unsetFrame,
  writeFaces,
} from "./faces.mjs"
import { History } from "./history.mjs"
import { listenToUndo, toggleLargeView, tool, toolbar, zoomTools } from "./tools.mjs"
import { WORDS, fill } from "./words.mjs"

/** @typedef {import("./faces.mjs").Faces} Faces */
/** @typedef {import("./faces.mjs").Row} Row */

/** Milliseconds from shut to shut while the animal is let speak. */
const SYLLABLE = 700

/**
 * Shows where an animal's keypoints are and lets them be dragged; its document is FACES.json as text, "" for what is
 * found automatically.
 *
 * A change is told as soon as it is made; while a gesture lasts, each of its states.
 */
export class KeypointEditor {
  /** @type {History<{text: string, chosen: number}>} */
  #history = new History({ text: "", chosen: 0 })
  #isMirrored = false
  #hasLooked = false
  #patch = ""
  /** @type {Map<string, Faces>} what tables that stand in the place of FACES.json say */
  #tables = new Map()
  #showMouth

  /**
   * @param {import("./scope.mjs").Scope} scope
   * @param {import("./face_view.mjs").Server} server
   * @param {(text: string, chosen: number) => void} onChange
   * @param {typeof WORDS.faces} words
   */
  constructor(scope, server, onChange, words = WORDS.faces) {
    this.scope = scope
    this.onChange = onChange
    this.words = words
    this.view = new FaceView(scope, server, words, {
      heads: () => this.#heads(),
      onChoose: (index) => this.#choose(index),
      onBox: (box) => this.#boxDrawn(box),
      onChange: () => this.#refresh(),
      onDraw: () => this.handles.draw(this.view.stage.picture ? this.#row() : undefined),
      frames: () => this.#needed(),
    })
    this.#build()
    this.#showMouth = latestOnly((/** @type {number} */ opening) => this.#poseMouth(opening))
    scope.onDispose(() => URL.revokeObjectURL(this.#patch))
  }

  /** The document as text. @returns {string} */
  get text() {
    return this.#history.state.text
  }

  /** Take over a document from outside. @param {unknown} text */
  set text(text) {
    const value = typeof text === "string" ? text : ""
    if (value === this.text) return
    this.#history = new History({ text: value, chosen: this.#history.state.chosen })
    this.#takeOver()
  }

  /** Which of the faces speaks. @param {number} index */
  set chosen(index) {
    if (index === this.#history.state.chosen) return
    this.#history = new History({ ...this.#history.state, chosen: index })
    this.#refresh()
  }

  /** @param {string} file @param {string} [reason] as `FaceView.setFile` */
  setFile(file, reason) {
    this.#hasLooked &&= file === this.view.file
    this.view.setFile(file, reason)
  }

  // what is shown

  /** Faces as the document has them, in the pixels of the picture; null when they were not set on it. */
  #set() {
    const { source } = this.view
    const { faces } = this.#read()
    if (!faces?.faces.length || !source) return null
    return isSamePicture(faces.picture, source.picture) ? resizeFaces(faces, source) : null
  }

  #faces() {
    return this.#set() ?? this.view.found.get(this.view.frame) ?? null
  }

  #chosen() {
    return Math.min(this.#history.state.chosen, Math.max(0, (this.#faces()?.faces.length ?? 0) - 1))
  }

  #face() {
    return this.#faces()?.faces[this.#chosen()]
  }

  /** A face in the frame that is shown. @returns {Row | undefined} */
  #row(index = this.#chosen()) {
    const face = this.#faces()?.faces[index]
    return face && rowAt(face, this.view.frame, (frame) => this.view.foundRow(face, frame))
  }

  #heads() {
    return (this.#faces()?.faces ?? []).map(({ species }, number) => {
      const box = /** @type {Row} */ (this.#row(number)).box
      return { number, species, box, isChosen: number === this.#chosen() }
    })
  }

  /** Frames in which it has to be known what is found. */
  #needed() {
    const set = this.#set()?.faces[this.#chosen()]
    if (!set) return [this.view.frame]
    return set.follow ? [this.view.frame, ...set.rows.map((row) => row.frame)] : []
  }

  /** @param {number} opening */
  async #poseMouth(opening) {
    const { file, frame, stage, server } = this.view
    const row = this.#row()
    if (!row || !opening) return stage.cover()
    const one = { .../** @type {Faces} */ (this.#faces()), frames: 1 }
    one.faces = [{ .../** @type {any} */ (this.#face()), rows: [{ ...row, frame: 0 }], follow: false }]
    try {
      const { picture, box } = await server.mouth(file, frame, facesDocument(one), { jaw_open: opening })
      if (this.scope.disposed || file !== this.view.file || !this.slider.valueAsNumber) return
      URL.revokeObjectURL(this.#patch)
      this.#patch = URL.createObjectURL(picture)
      stage.cover(this.#patch, box)
    } catch (error) {
      this.view.say(error.message, true)
    }
  }

  // what is changed

  /** @param {Faces} faces @param {number} chosen @param {string} gesture */
  #commit(faces, chosen = this.#chosen(), gesture = "") {
    this.#history.commit({ text: writeFaces(faces), chosen }, gesture)
    this.#tell()
  }

  #tell() {
    this.onChange(this.text, this.#history.state.chosen)
    this.#refresh()
  }

  /** @param {boolean} isRedo */
  #undo(isRedo) {
    if (isRedo) this.#history.redo()
    else this.#history.undo()
    this.#tell()
  }

  /** @param {number} point @returns {import("./face_handles.mjs").Grip | null} */
  #grab(point) {
    const [row, faces, before] = [this.#row(), this.#faces(), this.#history.state]
    if (!row || !faces) return null
    return {
      start: row.points[point],
      move: (to, isMirrored, gesture) => {
        const moves = dragMoves(row.points, point, to, isMirrored || this.#isMirrored)
        this.#commit(movePoints(faces, this.#chosen(), row, moves), this.#chosen(), gesture)
      },
      release: () => this.#history.endGesture(),
      cancel: () => {
        this.#history.commit(before, "drag")
        this.#tell()
      },
    }
  }

  /** Put a point back to where it is found. @param {number} point */
  #reset(point) {
    const [faces, row, face] = [this.#faces(), this.#row(), this.#face()]
    const found = face && this.view.foundRow(face, this.view.frame)
    if (!faces || !row || !found) return
    const points = row.points.map((old, i) => (i === point ? found.points[i] : old))
    this.#commit(setFrame(faces, this.#chosen(), { ...row, points }))
  }

  async #resetAll() {
    this.#history.commit({ text: "", chosen: this.#chosen() })
    this.#tell()
    await this.#takeOver()
  }

  /** Ask for what a text that came from outside needs. */
  async #takeOver() {
    const { view, text } = this
    if (text.trimStart().startsWith("source") && !this.#tables.has(text)) {
      try {
        this.#tables.set(text, parseFaces(await view.server.table(text)))
      } catch (error) {
        this.#tables.delete(text)
      }
    }
    if (view.file) await view.show(view.frame)
    this.#refresh()
  }

  #read() {
    const faces = this.#tables.get(this.text)
    return faces ? { faces, problem: "" } : readFaces(this.text)
  }

  /** @param {number} index */
  #choose(index) {
    const faces = this.#faces()
    if (!faces) return
    if (index !== this.#chosen()) this.#commit(faces, index)
    this.#closeUp()
  }

  /** @param {number[]} box */
  async #boxDrawn(box) {
    try {
      const drawn = await this.view.inBoxes([box])
      const before = this.#faces() ?? { ...drawn, faces: [] }
      const faces = [...before.faces, ...drawn.faces]
      this.#commit({ ...before, picture: drawn.picture, faces }, faces.length - 1)
      this.#closeUp()
    } catch (error) {
      this.view.say(error.message, true)
    }
  }

  #toggleSet() {
    const [faces, row] = [this.#faces(), this.#row()]
    if (!faces || !row) return
    const change = this.#isSetHere()
      ? unsetFrame(faces, this.#chosen(), row.frame)
      : setFrame(faces, this.#chosen(), row)
    this.#commit(change)
  }

  // what is on the screen

  #build() {
    const { words, scope, view } = this
    const make = (name, title, act) => tool(scope, name, title, act)
    const large = () => toggleLargeView(scope, this.element, words.edit)
    this.tools = {
      undo: make("undo", words.undo, () => this.#undo(false)),
      redo: make("redo", words.redo, () => this.#undo(true)),
      reset: make("reset", words.reset, () => this.#resetAll()),
      mirror: make("mirror", words.mirror, () => this.#setMirrored(!this.#isMirrored)),
      box: make("box", words.box, () => (view.boxing = !view.boxing)),
      ...zoomTools(scope, view.stage, words),
      closeUp: make("closeUp", words.closeUp, () => this.#closeUp()),
      text: make("text", words.text, () => this.#toggleText()),
      expand: make("expand", words.expand, large),
    }
    const { undo, redo, reset, mirror, box, zoomOut, zoomIn, fit, closeUp, text, expand } = this.tools
    const bar = toolbar([undo, redo, reset], [mirror, box], [zoomOut, zoomIn, fit, closeUp], [text, expand])

    this.handles = new FaceHandles(scope, view.stage, words, {
      onPoint: () => this.#refresh(),
      grab: (point) => this.#grab(point),
      onReset: (point) => this.#reset(point),
    })
    this.area = element("textarea", { class: "als-text", spellcheck: false, hidden: "", "aria-label": words.text })
    scope.listen(this.area, "change", () => {
      this.#history.commit({ text: this.area.value.trim(), chosen: this.#chosen() })
      this.#tell()
      this.#takeOver()
    })

    this.keys = {
      earlier: make("earlier", words.earlier, () => this.#goToSet(-1)),
      mark: make("set", words.set, () => this.#toggleSet()),
      later: make("later", words.later, () => this.#goToSet(1)),
    }
    view.clip.prepend(...Object.values(this.keys).map((press) => /** @type {Node} */ (press.parentElement)))
    this.slider = element("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0, title: words.openHelp })
    scope.listen(this.slider, "input", () => this.#open(this.slider.valueAsNumber))
    const label = element("label", { class: "als-row als-open" }, element("span", {}, words.open), this.slider)
    this.speak = make("speak", words.speak, () => this.#toggleSpeaking())
    const mouth = element("div", { class: "als-row" }, label, /** @type {Node} */ (this.speak.parentElement))
    this.element = element(
      "div",
      { class: "als-panel als-editor" },
      bar,
      view.stage.element,
      this.area,
      view.clip,
      mouth,
      view.note,
    )
    listenToUndo(scope, this.element, (isRedo) => this.#undo(isRedo))
  }

  #closeUp() {
    const extent = this.#extent()
    if (extent) this.view.stage.closeUp(extent)
  }

  /** x1, y1, x2, y2 of the chosen face's points. */
  #extent() {
    const points = this.#row()?.points
    if (!points) return null
    const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]))
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
  }

  /** @param {boolean} isMirrored */
  #setMirrored(isMirrored) {
    this.#isMirrored = isMirrored
    this.tools.mirror.ariaPressed = String(isMirrored)
  }

  #toggleText() {
    this.area.hidden = !this.area.hidden
    this.view.stage.element.hidden = !this.area.hidden
    this.tools.text.ariaPressed = String(!this.area.hidden)
    const faces = this.#faces()
    this.area.value = this.text || (faces ? writeFaces(faces) : "")
    if (!this.area.hidden) this.area.select()
  }

  /** @param {number} way -1 for the one before, 1 for the one after */
  #goToSet(way) {
    const frames = this.#setFrames().filter((frame) => (frame - this.view.frame) * way > 0)
    if (frames.length) this.view.show(way > 0 ? Math.min(...frames) : Math.max(...frames))
  }

  #setFrames() {
    return (this.#set()?.faces[this.#chosen()]?.rows ?? []).map((row) => row.frame)
  }

  #isSetHere() {
    return this.#setFrames().includes(this.view.frame)
  }

  /** @param {number} opening */
  #open(opening) {
    this.view.stage.element.classList.toggle("als-posed", opening > 0)
    return this.#showMouth(opening)
  }

  async #toggleSpeaking() {
    const isOn = () => this.speak.ariaPressed === "true" && !this.scope.disposed && this.element.isConnected
    this.speak.ariaPressed = String(!isOn())
    const start = performance.now()
    while (isOn()) {
      const share = (performance.now() - start) / SYLLABLE
      this.slider.value = String(0.4 - 0.4 * Math.cos(2 * Math.PI * share))
      await this.#open(this.slider.valueAsNumber)
      await new Promise((next) => requestAnimationFrame(next))
    }
    this.slider.value = "0"
    this.#open(0)
  }

  /** What to do, or what keeps the document from being used. @returns {[text: string, isWarning: boolean]} */
  #advice() {
    const { words, view } = this
    const { problem, faces } = this.#read()
    const shown = this.#faces()?.faces.length
    if (this.handles.pointed >= 0 && shown) return [this.#handleHelp(), false]
    if (view.boxing) return [words.boxHint, false]
    if (problem) return [fill(words.broken, { problem }), true]
    if (!shown)
      return view.found.has(view.frame)
        ? [words.none, true]
        : [view.note.textContent ?? "", view.note.classList.contains("als-warning")]
    if (faces?.faces.length && view.source && !this.#set()) return [words.other, true]
    const state = this.#set() ? words.byHand : words.found
    return [`${state} · ${!this.text && shown > 1 ? words.chooseHint : words.hint}`, false]
  }

  #handleHelp() {
    const { words } = this
    const help = fill(words.handleHelp, { name: words[POINTS[this.handles.pointed]] })
    const isLip = this.handles.pointed === UPPER_LIP || this.handles.pointed === LOWER_LIP
    return isLip && isShut(this.#row()?.points ?? []) ? `${help} ${words.lipsHelp}` : help
  }

  #refresh() {
    const { words, view } = this
    this.tools.undo.disabled = !this.#history.canUndo
    this.tools.redo.disabled = !this.#history.canRedo
    this.tools.reset.disabled = !this.text
    this.tools.box.ariaPressed = String(view.boxing)
    this.keys.mark.ariaPressed = String(this.#isSetHere())
    this.keys.mark.title = this.#isSetHere() ? words.unset : words.set
    this.keys.mark.disabled = this.#isSetHere() && this.#setFrames().length === 1
    view.mark(this.#setFrames())
    view.say(...this.#advice())
    view.refresh()
    this.#look()
    if (this.slider.valueAsNumber) this.#showMouth(this.slider.valueAsNumber)
  }

  /** Begin with a close-up of the face, when there is one and it is small. */
  #look() {
    const extent = this.#extent()
    if (!extent || this.#hasLooked) return
    this.#hasLooked = true
    const isSure = this.text || this.#faces()?.faces.length === 1
    if (isSure && this.view.stage.isSmall(extent)) this.view.stage.closeUp(extent)
  }
}
