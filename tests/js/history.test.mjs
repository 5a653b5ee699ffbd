import assert from "node:assert/strict"
import { test } from "node:test"
import { History } from "../../web/js/history.mjs"

test("undo and redo walk through the states", () => {
  const history = new History("a")
  history.commit("b")
  history.commit("c")
  assert.equal(history.undo(), "b")
  assert.equal(history.undo(), "a")
  assert.equal(history.undo(), "a")
  assert.equal(history.canUndo, false)
  assert.equal(history.redo(), "b")
  history.commit("d")
  assert.equal(history.canRedo, false)
  assert.equal(history.undo(), "b")
})

test("a gesture is one step", () => {
  const history = new History(0)
  for (const x of [1, 2, 3]) history.commit(x, "drag")
  assert.equal(history.undo(), 0)
  assert.equal(history.redo(), 3)
  history.commit(4, "drag")
  history.endGesture()
  history.commit(5, "drag")
  assert.equal(history.undo(), 4)
})

test("the oldest states are forgotten", () => {
  const history = new History(0, 3)
  for (let x = 1; x <= 10; x++) history.commit(x)
  for (let x = 0; x < 20; x++) history.undo()
  assert.equal(history.state, 7)
})
