/**
 * Spares the warehouse while it is down: after failures in a row on a shelf the next calls for it fail at once, without
 * asking. Then one call tries again.
 */
export function createBreaker({ failuresToOpen = 1, callsToSkip = 3 } = {}) {
  const shelves = new Map();
  const stateOf = (shelf) => shelves.get(shelf) ?? { failures: 0, skip: 0 };
  return {
    isOpen(shelf) {
      const { failures, skip } = stateOf(shelf);
      if (skip === 0) return false;
      shelves.set(shelf, { failures, skip: skip - 1 });
      return true;
    },
    /** An answer that was under way when the breaker opened says nothing about now. */
    succeeded(shelf) {
      if (stateOf(shelf).skip === 0) shelves.delete(shelf);
    },
    failed(shelf) {
      const failures = stateOf(shelf).failures + 1;
      shelves.set(shelf, { failures, skip: failures >= failuresToOpen ? callsToSkip : 0 });
    },
  };
}
