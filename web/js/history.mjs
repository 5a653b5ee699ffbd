// @ts-check

/**
 * The states an editor went through; they are immutable, so keeping them is all there is to undo.
 * @template T
 */
export class History {
  #states
  #at = 0
  #gesture = ""

  /**
   * @param {T} state
   * @param {number} limit states that can be gone back to
   */
  constructor(state, limit = 200) {
    this.#states = [state]
    this.limit = limit
  }

  /** @returns {T} */
  get state() {
    return this.#states[this.#at]
  }

  get canUndo() {
    return this.#at > 0
  }

  get canRedo() {
    return this.#at < this.#states.length - 1
  }

  /**
   * @param {T} state
   * @param {string} gesture states of one gesture count as a single step; "" is always a step of its own
   */
  commit(state, gesture = "") {
    const kept = gesture && gesture === this.#gesture ? this.#at : this.#at + 1
    this.#states = [...this.#states.slice(0, Math.max(kept, 1)), state].slice(-this.limit - 1)
    this.#at = this.#states.length - 1
    this.#gesture = gesture
  }

  /** The next state is a step of its own, even if it belongs to the same gesture. */
  endGesture() {
    this.#gesture = ""
  }

  undo() {
    this.#at = Math.max(0, this.#at - 1)
    this.#gesture = ""
    return this.state
  }

  redo() {
    this.#at = Math.min(this.#states.length - 1, this.#at + 1)
    this.#gesture = ""
    return this.state
  }
}
