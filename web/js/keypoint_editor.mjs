// @ts-check
import { button, drawing, element, latestOnly } from "./dom.mjs"
import {
  CHIN,
  LOWER_LIP,
  POINTS,
  UPPER_LIP,
  dragMoves,
  facesDocument,
  isSamePicture,
  isShut,
  mouthLines,
  movePoints,
  parseFaces,
  readFaces,
  resizeFaces,
  rowAt,
  sameFace,
  setFrame,
  unsetFrame,
  writeFaces,
} from "./faces.mjs"
import { curvePath } from "./geometry.mjs"
import { History } from "./history.mjs"
import { icon } from "./icons.mjs"
import { Stage } from "./stage.mjs"
import { WORDS, fill } from "./words.mjs"

/** @typedef {import("./faces.mjs").Faces} Faces */
/** @typedef {import("./faces.mjs").Row} Row */
/** @typedef {{width: number, height: number, frames: number, picture: string}} Source */
/**
 * @typedef {object} Server
 * @property {(file: string, frame: number) => Promise<{picture: Blob, source: Source}>} frame
 * @property {(file: string, frame: number, boxes?: number[][]) => Promise<any>} faces FACES.json of a frame
 * @property {(file: string, frame: number, faces: object, motion: object) => Promise<{picture: Blob, box: number[]}>} mouth
 */

/** Stage pixels from a shut mouth's lips down to the tab that parts them, where the chin leaves room. */
const TAB = 24
/** Stage pixels of one step of an arrow key, without and with Shift. */
const STEP = [1, 10]
/** Milliseconds from shut to shut while the animal is let speak. */
const SYLLABLE = 700

/**
 * Shows where an animal's keypoints are and lets them be dragged; its document is FACES.json as text, "" for what is
 * found automatically.
 *
 * A change is told as soon as it is made; while a gesture lasts, each of its states.
 */
export class KeypointEditor {
  #file = ""
  #frame = 0
  /** @type {Source | null} */
  #source = null
  /** @type {Map<number, Faces>} found automatically, by frame */
  #found = new Map()
  /** @type {History<{text: string, chosen: number}>} */
  #history = new History({ text: "", chosen: 0 })
  #notice = ""
  /** Number of the handle that is pointed at or focused; -1 for none. */
  #pointed = -1
  #isMirrored = false
  #urls = { picture: "", mouth: "" }

  /**
   * @param {import("./scope.mjs").Scope} scope
   * @param {Server} server
   * @param {(text: string, chosen: number) => void} onChange
   * @param {typeof WORDS} words
   */
  constructor(scope, server, onChange, words = WORDS) {
    this.scope = scope
    this.server = server
    this.onChange = onChange
    this.words = words
    this.stage = new Stage(scope, {
      onDraw: () => this.#draw(),
      onTap: (at) => this.#tap(at),
      onBox: (box) => this.#boxDrawn(box),
    })
    this.#build()
    this.#showMouth = latestOnly(async (opening) => {
      const row = this.#row()
      if (!row || !opening) return this.stage.cover()
      const one = { ...this.#faces(), frames: 1, faces: [{ ...this.#face(), rows: [{ ...row, frame: 0 }], follow: false }] }
      try {
        const asked = this.#file
        const drawn = await server.mouth(asked, this.#frame, facesDocument(one), { jaw_open: opening })
        if (scope.disposed || asked !== this.#file || !Number(this.slider.value)) return
        this.stage.cover(this.#url("mouth", drawn.picture), drawn.box)
      } catch (error) {
        this.#say(error.message)
      }
    })
    this.#showFrame = latestOnly((frame) => this.#load(frame))
    scope.onDispose(() => Object.values(this.#urls).forEach((url) => URL.revokeObjectURL(url)))
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
    this.#explain()
  }

  /** @param {number} index */
  set chosen(index) {
    if (index === this.#history.state.chosen) return
    this.#history = new History({ ...this.#history.state, chosen: index })
    this.#refresh()
  }

  /**
   * The picture or clip to work on.
   * @param {string} file as ComfyUI's widgets name it; "" when there is none
   * @param {string} reason why there is none
   */
  setFile(file, reason = "") {
    if (file === this.#file && !reason) return
    this.#file = file
    this.#source = null
    this.#found.clear()
    this.#frame = 0
    this.stage.clear()
    if (file) this.#showFrame(0)
    else this.#say(reason)
    this.#refresh()
  }

  // what is shown

  /** Faces as the document has them, in the pixels of the picture; null when they were not set on it. */
  #set() {
    const { faces } = readFaces(this.text)
    if (!faces?.faces.length || !this.#source) return null
    return isSamePicture(faces.picture, this.#source.picture) ? resizeFaces(faces, this.#source) : null
  }

  #faces() {
    return this.#set() ?? this.#found.get(this.#frame) ?? null
  }

  #chosen() {
    const count = this.#faces()?.faces.length ?? 0
    return Math.min(this.#history.state.chosen, Math.max(0, count - 1))
  }

  #face() {
    return this.#faces()?.faces[this.#chosen()]
  }

  /** A face in the frame that is shown. @returns {Row | undefined} */
  #row(index = this.#chosen()) {
    const face = this.#faces()?.faces[index]
    return face && rowAt(face, this.#frame, (frame) => this.#foundRow(face, frame))
  }

  /** The same animal as it is found in a frame. @param {import("./faces.mjs").Face} face @param {number} frame */
  #foundRow(face, frame) {
    const found = this.#found.get(frame)
    const near = face.rows.reduce((a, b) => (Math.abs(b.frame - frame) < Math.abs(a.frame - frame) ? b : a))
    return found && sameFace(near, found.faces)
  }

  // what the server is asked for

  /** @param {number} frame */
  async #load(frame) {
    const file = this.#file
    const isCurrent = () => file === this.#file && !this.scope.disposed
    try {
      const { picture, source } = await this.server.frame(file, frame)
      if (!isCurrent()) return
      const isFirst = !this.#source
      this.#source = source
      this.#frame = frame
      this.stage.show(this.#url("picture", picture), source)
      if (isFirst) this.#explain()
      this.#refresh()
      const set = this.#set()?.faces[this.#chosen()]
      const needed = set ? (set.follow ? [frame, ...set.rows.map((row) => row.frame)] : []) : [frame]
      for (const other of needed) if (!this.#found.has(other)) await this.#find(other, isCurrent)
      if (!isCurrent()) return
      const extent = this.#extent()
      const isOnly = this.text || this.#faces()?.faces.length === 1
      if (isFirst && isOnly && extent && this.stage.isSmall(extent)) this.stage.closeUp(extent)
      this.#refresh()
    } catch (error) {
      if (isCurrent()) this.#say(error.message)
    }
  }

  async #find(frame, isCurrent) {
    if (frame === this.#frame && !this.#faces()) this.#say(this.words.looking)
    const document = await this.server.faces(this.#file, frame)
    if (!isCurrent()) return
    this.#keepFound(frame, parseFaces(document))
    this.#explain()
  }

  /** @param {number} frame @param {Faces} faces */
  #keepFound(frame, faces) {
    const follow = faces.frames > 1
    this.#found.set(frame, { ...faces, faces: faces.faces.map((face) => ({ ...face, follow })) })
  }

  async #boxDrawn(box) {
    this.#setBoxing(false)
    try {
      const document = await this.server.faces(this.#file, this.#frame, [box])
      const drawn = parseFaces(document)
      const follow = drawn.frames > 1
      const before = this.#faces()
      const faces = [...(before?.faces ?? []), ...drawn.faces.map((face) => ({ ...face, follow }))]
      this.#commit({ ...(before ?? drawn), picture: drawn.picture, faces }, faces.length - 1)
      this.#closeUp()
    } catch (error) {
      this.#say(error.message)
    }
  }

  #showMouth
  #showFrame

  #url(kind, blob) {
    URL.revokeObjectURL(this.#urls[kind])
    return (this.#urls[kind] = URL.createObjectURL(blob))
  }

  // what is changed

  /** @param {Faces} faces @param {number} chosen @param {string} gesture */
  #commit(faces, chosen = this.#chosen(), gesture = "") {
    this.#history.commit({ text: writeFaces(faces), chosen }, gesture)
    this.#told()
  }

  #told() {
    this.onChange(this.text, this.#history.state.chosen)
    this.#explain()
  }

  #undo(isRedo) {
    if (isRedo) this.#history.redo()
    else this.#history.undo()
    this.#told()
  }

  /** @param {number} point @param {readonly [number, number]} to picture pixels @param {boolean} mirrored @param {{row: Row, faces: Faces}} from @param {string} gesture */
  #move(point, to, mirrored, { row, faces }, gesture) {
    const moves = dragMoves(row.points, point, to, mirrored || this.#isMirrored)
    this.#commit(movePoints(faces, this.#chosen(), row, moves), this.#chosen(), gesture)
  }

  /** Put one point, or with none all of them, back to where they are found. @param {number} [point] */
  #reset(point) {
    const [faces, row, face] = [this.#faces(), this.#row(), this.#face()]
    if (point === undefined) {
      this.#history.commit({ text: "", chosen: this.#chosen() })
      return this.#told()
    }
    const found = face && this.#foundRow(face, this.#frame)
    if (!faces || !row || !found) return
    const points = row.points.map((old, i) => (i === point ? found.points[i] : old))
    this.#commit(setFrame(faces, this.#chosen(), { ...row, points }))
  }

  /** @param {[number, number]} at picture pixels */
  #tap([x, y]) {
    const inside = (/** @type {number[]} */ [x1, y1, x2, y2]) => x >= x1 && x <= x2 && y >= y1 && y <= y2
    const index = this.#faces()?.faces.findIndex((_, i) => i !== this.#chosen() && inside(this.#row(i)?.box ?? []))
    if (index !== undefined && index >= 0) this.#choose(index)
  }

  #choose(index) {
    const faces = this.#faces()
    if (!faces) return
    this.#commit(faces, index)
    this.#closeUp()
  }

  // what is on the screen

  #build() {
    const { words, scope } = this
    /** @type {(name: Parameters<typeof icon>[0], title: string, act: () => void) => HTMLInputElement} */
    const tool = (name, title, act) => {
      const made = button("", title, { class: "als-press" })
      scope.listen(made, "click", act)
      toolOf.set(made, element("span", { class: `als-tool als-tool-${name}` }, icon(name), made))
      return made
    }
    const toolOf = new Map()
    const tools = (...made) => made.map((one) => toolOf.get(one) ?? one)
    this.tools = {
      undo: tool("undo", words.undo, () => this.#undo(false)),
      redo: tool("redo", words.redo, () => this.#undo(true)),
      reset: tool("reset", words.reset, () => this.#reset()),
      mirror: tool("mirror", words.mirror, () => this.#setMirrored(!this.#isMirrored)),
      box: tool("box", words.box, () => this.#setBoxing(!this.stage.boxing)),
      zoomOut: tool("zoomOut", words.zoomOut, () => this.stage.zoom(1 / 1.5)),
      zoomIn: tool("zoomIn", words.zoomIn, () => this.stage.zoom(1.5)),
      fit: tool("fit", words.fit, () => this.stage.fit()),
      closeUp: tool("closeUp", words.closeUp, () => this.#closeUp()),
      text: tool("text", words.text, () => this.#toggleText()),
      expand: tool("expand", words.expand, () => this.#expand()),
    }
    const gap = () => element("span", { class: "als-gap" })
    const { undo, redo, reset, mirror, box, closeUp, zoomIn, zoomOut, fit, text, expand } = this.tools
    const bar = element("div", { class: "als-bar", role: "toolbar" })
    bar.append(...tools(undo, redo, reset, gap(), mirror, box, gap(), zoomOut, zoomIn, fit, closeUp, gap(), text, expand))

    this.handles = POINTS.map((name, index) => this.#buildHandle(name, index))
    /** @type {HTMLInputElement[]} one per face */
    this.chips = []
    this.label = element("span", { class: "als-name", "aria-hidden": "true", hidden: "" })
    this.stage.layer.append(...this.handles, this.label)
    this.area = element("textarea", { class: "als-text", spellcheck: false, hidden: "", "aria-label": words.text })
    scope.listen(this.area, "change", () => {
      this.#history.commit({ text: this.area.value.trim(), chosen: this.#chosen() })
      this.#told()
    })
    this.stage.element.setAttribute("role", "group")
    this.stage.element.setAttribute("aria-label", words.picture)

    this.scrubber = element("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": words.frame })
    scope.listen(this.scrubber, "input", () => this.#showFrame(this.scrubber.valueAsNumber))
    this.number = element("output", { class: "als-number" })
    this.marks = element("div", { class: "als-marks", "aria-hidden": "true" })
    this.keys = {
      earlier: tool("earlier", words.earlier, () => this.#goToSet(-1)),
      mark: tool("set", words.set, () => this.#toggleSet()),
      later: tool("later", words.later, () => this.#goToSet(1)),
    }
    const track = element("div", { class: "als-track" }, this.scrubber, this.marks)
    const { earlier, mark, later } = this.keys
    this.clip = element("div", { class: "als-row", hidden: "" }, ...tools(earlier, mark, later), track, this.number)

    this.slider = element("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0, title: words.openHelp })
    scope.listen(this.slider, "input", () => this.#showMouth(this.slider.valueAsNumber))
    this.speak = tool("speak", words.speak, () => this.#toggleSpeaking())
    const label = element("label", { class: "als-row als-open" }, element("span", {}, words.open), this.slider)
    const mouth = element("div", { class: "als-row" }, label, ...tools(this.speak))

    this.note = element("div", { class: "als-note", role: "status" })
    this.element = element("div", { class: "als-editor" }, bar, this.stage.element, this.area, this.clip, mouth, this.note)
    scope.listen(this.element, "keydown", (event) => this.#key(event))
    this.#refresh()
  }

  #buildHandle(name, index) {
    const { words, scope } = this
    const handle = button("", words[name], { class: `als-handle als-${name}`, "data-point": name })
    const point = (at) => () => {
      this.#pointed = at
      this.#refresh()
    }
    for (const type of ["pointerenter", "focus"]) scope.listen(handle, type, point(index))
    for (const type of ["pointerleave", "blur"]) scope.listen(handle, type, point(-1))
    scope.listen(handle, "pointerdown", (event) => this.#drag(event, handle, index))
    scope.listen(handle, "dblclick", () => this.#reset(index))
    scope.listen(handle, "keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
      const [row, faces] = [this.#row(), this.#faces()]
      if (event.key === "Delete" || event.key === "Backspace") this.#reset(index)
      if (!way || !row || !faces) return
      event.preventDefault()
      const step = STEP[Number(event.shiftKey)] / this.stage.view.scale
      const [x, y] = row.points[index]
      this.#move(index, [x + way[0] * step, y + way[1] * step], event.altKey, { row, faces }, `nudge ${name}`)
    })
    return handle
  }

  /** One drag of a handle, from press to release; Escape takes it back. */
  #drag(event, handle, index) {
    event.stopPropagation()
    const [row, faces] = [this.#row(), this.#faces()]
    if (event.button || !row || !faces) return
    const gesture = new AbortController()
    const { signal } = gesture
    const { pointerId } = event
    const start = this.stage.toPicture(this.stage.at(event))
    const [x, y] = row.points[index]
    this.#history.endGesture()
    handle.setPointerCapture(pointerId)
    handle.focus()
    handle.addEventListener(
      "pointermove",
      (event) => {
        if (event.pointerId !== pointerId) return
        const now = this.stage.toPicture(this.stage.at(event))
        const to = /** @type {[number, number]} */ ([x + now[0] - start[0], y + now[1] - start[1]])
        this.#move(index, to, event.altKey, { row, faces }, "drag")
      },
      { signal },
    )
    const end = () => {
      gesture.abort()
      this.#history.endGesture()
    }
    for (const type of ["pointerup", "pointercancel"]) handle.addEventListener(type, end, { signal })
    handle.addEventListener(
      "keydown",
      (event) => {
        if (event.key !== "Escape") return
        event.preventDefault()
        event.stopPropagation()
        end()
        this.#commit(faces, this.#chosen(), "drag")
      },
      { signal },
    )
  }

  #key(event) {
    const isCommand = (event.ctrlKey || event.metaKey) && !event.altKey
    const key = event.key.toLowerCase()
    if (isCommand && (key === "z" || key === "y") && event.target !== this.area) {
      event.preventDefault()
      event.stopPropagation()
      this.#undo(key === "y" || event.shiftKey)
    }
  }

  #closeUp() {
    const extent = this.#extent()
    if (extent) this.stage.closeUp(extent)
  }

  /** x1, y1, x2, y2 of the chosen face's points. */
  #extent() {
    const points = this.#row()?.points
    if (!points) return null
    const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]))
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
  }

  #setMirrored(isMirrored) {
    this.#isMirrored = isMirrored
    this.tools.mirror.ariaPressed = String(isMirrored)
  }

  #setBoxing(isBoxing) {
    this.stage.boxing = isBoxing
    this.stage.element.classList.toggle("als-boxing", isBoxing)
    this.tools.box.ariaPressed = String(isBoxing)
    this.#refresh()
  }

  #toggleText() {
    this.area.hidden = !this.area.hidden
    this.stage.element.hidden = !this.area.hidden
    this.tools.text.ariaPressed = String(!this.area.hidden)
    const faces = this.#faces()
    this.area.value = this.text || (faces ? writeFaces(faces) : "")
    if (!this.area.hidden) this.area.select()
  }

  #toggleSet() {
    const [faces, row, face] = [this.#faces(), this.#row(), this.#face()]
    if (!faces || !row || !face) return
    const isSet = this.#set() && face.rows.some(({ frame }) => frame === this.#frame)
    this.#commit(isSet ? unsetFrame(faces, this.#chosen(), this.#frame) : setFrame(faces, this.#chosen(), row))
  }

  #goToSet(way) {
    const frames = (this.#set()?.faces[this.#chosen()]?.rows ?? []).map((row) => row.frame)
    const beyond = frames.filter((frame) => (frame - this.#frame) * way > 0)
    if (beyond.length) this.#showFrame(way > 0 ? Math.min(...beyond) : Math.max(...beyond))
  }

  async #toggleSpeaking() {
    this.speak.ariaPressed = String(this.speak.ariaPressed !== "true")
    const start = performance.now()
    while (this.speak.ariaPressed === "true" && !this.scope.disposed && this.element.isConnected) {
      const share = (performance.now() - start) / SYLLABLE
      this.slider.value = String(0.4 - 0.4 * Math.cos(2 * Math.PI * share))
      await this.#showMouth(this.slider.valueAsNumber)
      await new Promise((next) => requestAnimationFrame(next))
    }
    this.slider.value = "0"
    this.stage.cover()
  }

  /** Move the editor into a dialog as large as the window, and back when that is closed. */
  #expand() {
    const { element: editor } = this
    const open = editor.closest("dialog")
    if (open) return open.close()
    const home = /** @type {HTMLElement} */ (editor.parentElement)
    const place = document.createComment("")
    home.insertBefore(place, editor)
    const dialog = element("dialog", { class: "als-dialog", "aria-label": this.words.edit })
    dialog.append(editor)
    document.body.append(dialog)
    dialog.addEventListener("close", () => {
      place.replaceWith(editor)
      dialog.remove()
      this.tools.expand.title = this.words.expand
    })
    this.scope.onDispose(() => dialog.remove())
    this.tools.expand.title = this.words.shrink
    dialog.showModal()
  }

  /** Say what keeps the document from being used, if anything does. */
  #explain() {
    const { problem, faces } = readFaces(this.text)
    const found = this.#found.get(this.#frame)
    this.#notice = ""
    if (problem) this.#notice = fill(this.words.broken, { problem })
    else if (faces?.faces.length && this.#source && !this.#set()) this.#notice = this.words.other
    else if (found && !this.#faces()?.faces.length) this.#notice = this.words.none
    this.#refresh()
  }

  #say(notice) {
    this.#notice = notice
    this.#refresh()
  }

  #refresh() {
    const { words, stage } = this
    const faces = this.#faces()
    const frames = this.#source?.frames ?? 1
    this.tools.undo.disabled = !this.#history.canUndo
    this.tools.redo.disabled = !this.#history.canRedo
    this.tools.reset.disabled = !this.text
    this.clip.hidden = frames < 2
    this.scrubber.max = String(frames - 1)
    this.scrubber.value = String(this.#frame)
    this.number.textContent = `${this.#frame + 1} / ${frames}`
    const set = this.#set()?.faces[this.#chosen()]
    const isSet = set?.rows.some((row) => row.frame === this.#frame) ?? false
    this.keys.mark.ariaPressed = String(isSet)
    this.keys.mark.title = isSet ? words.unset : words.set
    this.keys.mark.disabled = isSet && set?.rows.length === 1
    this.marks.replaceChildren(
      ...(set?.rows ?? []).map(({ frame }) => {
        const mark = element("i")
        mark.style.left = `${(100 * frame) / Math.max(1, frames - 1)}%`
        return mark
      }),
    )
    const several = (faces?.faces.length ?? 0) > 1
    const state = this.#set() ? words.byHand : faces?.faces.length ? words.found : ""
    const hint = stage.boxing ? words.boxHint : several && !this.text ? words.chooseHint : words.hint
    const tip = this.#pointed < 0 ? "" : this.#handleHelp()
    const quiet = faces?.faces.length ? `${state} · ${hint}` : ""
    this.note.textContent = tip || this.#notice || quiet
    this.note.classList.toggle("als-warning", !tip && Boolean(this.#notice))
    stage.redraw()
    if (this.slider.valueAsNumber) this.#showMouth(this.slider.valueAsNumber)
  }

  #handleHelp() {
    const { words } = this
    const help = fill(words.handleHelp, { name: words[POINTS[this.#pointed]] })
    const isLip = this.#pointed === UPPER_LIP || this.#pointed === LOWER_LIP
    return isLip && isShut(this.#row()?.points ?? []) ? `${help} ${words.lipsHelp}` : help
  }

  #draw() {
    const { stage } = this
    const faces = stage.picture ? this.#faces() : null
    const chosen = this.#chosen()
    const row = faces ? this.#row() : undefined
    const lines = []
    const shown = faces?.faces ?? []
    while (this.chips.length < shown.length) this.#addChip()
    this.chips.forEach((chip, index) => {
      const face = shown[index]
      const box = face && this.#row(index)?.box
      chip.hidden = !box
      if (!box) return
      const [x1, y1] = stage.toStage([box[0], box[1]])
      const [x2, y2] = stage.toStage([box[2], box[3]])
      const isChosen = index === chosen
      const kind = isChosen ? "als-box als-chosen" : "als-box"
      lines.push(drawing("rect", { class: kind, x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: 4 }))
      chip.value = `${index} ${face.species}`
      chip.title = chip.ariaLabel = fill(this.words.face, { number: index, species: face.species })
      chip.ariaPressed = String(isChosen)
      chip.style.left = `${Math.max(0, x1)}px`
      chip.style.top = `${Math.max(0, y1)}px`
    })
    if (row) {
      const { upper, lower, jaw, hinges, isSide } = mouthLines(row.points)
      const path = (points) => curvePath(points.map((point) => stage.toStage(point)))
      lines.push(drawing("path", { class: "als-jaw", d: path(jaw) }))
      if (!isSide) lines.push(drawing("path", { class: "als-hinge", d: path([hinges[0], hinges[1]]) }))
      for (const hinge of hinges) {
        const [cx, cy] = stage.toStage(hinge)
        lines.push(drawing("circle", { class: "als-hinge", cx, cy, r: 11 }))
      }
      lines.push(drawing("path", { class: "als-lower", d: path(lower) }))
      lines.push(drawing("path", { class: "als-upper", d: path(upper) }))
      const [x, y] = stage.toStage(row.points[LOWER_LIP])
      lines.push(drawing("path", { class: "als-lower", d: `M${x} ${y}v${this.#tab(row.points)}` }))
    }
    stage.lines.replaceChildren(...lines)
    stage.element.classList.toggle("als-posed", this.slider.valueAsNumber > 0)
    this.handles.forEach((handle, index) => {
      handle.hidden = !row
      if (!row) return
      const [x, y, score] = row.points[index]
      const [left, top] = stage.toStage([x, y])
      handle.style.left = `${left}px`
      handle.style.top = `${top + (index === LOWER_LIP ? this.#tab(row.points) : 0)}px`
      handle.classList.toggle("als-estimate", score === 0)
      handle.ariaDescription = `${Math.round(x)}, ${Math.round(y)}`
    })
    const named = this.handles[this.#pointed]
    this.label.hidden = !named || !row
    if (named) {
      this.label.textContent = this.words[POINTS[this.#pointed]]
      Object.assign(this.label.style, { left: named.style.left, top: named.style.top })
    }
  }

  /** How far below the lower lip its handle hangs, so that the upper lip's does not cover it. @param {Row["points"]} points */
  #tab(points) {
    const room = (points[CHIN][1] - points[LOWER_LIP][1]) * this.stage.view.scale
    return isShut(points) ? Math.max(12, Math.min(TAB, 0.5 * room)) : 0
  }

  #addChip() {
    const index = this.chips.length
    const chip = button("", "", { class: "als-chip" })
    this.scope.listen(chip, "pointerdown", (event) => event.stopPropagation())
    this.scope.listen(chip, "click", () => index !== this.#chosen() && this.#choose(index))
    this.chips.push(chip)
    this.stage.layer.prepend(chip)
  }
}
