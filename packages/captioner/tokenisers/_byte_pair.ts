import type { TokeniserModel } from "./_schema.ts";
import { byteTokens } from "./_byte_tokens.ts";

interface Merge {
  readonly rank: number;
  readonly id: number;
}

/** One symbol of a word in a doubly linked list of places; −1 ends it. */
interface Symbol {
  id: number;
  previous: number;
  next: number;
}

/**
 * Byte-pair encoding: characters are joined pair by pair, the pair of lowest rank and then leftmost first.
 *
 * @throws SyntaxError when a merge names tokens that the vocabulary lacks.
 */
export function bytePairModel(model: TokeniserModel<"BPE">): (word: string) => number[] {
  const vocabulary = new Map(Object.entries(model.vocab));
  const prefix = model.continuing_subword_prefix ?? "";
  const suffix = model.end_of_word_suffix ?? "";
  const merges = readMerges(model, vocabulary, prefix);
  const unknown = model.unk_token ? vocabulary.get(model.unk_token) : undefined;
  if (model.unk_token && unknown === undefined) {
    throw new SyntaxError(`its vocabulary lacks the unknown token "${model.unk_token}"`);
  }
  const bytesOf = model.byte_fallback ? byteTokens((token) => vocabulary.get(token)) : () => undefined;

  const symbolsOf = (word: string): number[] => {
    const ids: number[] = [];
    const chars = Array.from(word);
    let lastIsUnknown = false;
    chars.forEach((char, index) => {
      const marked = (index > 0 ? prefix : "") + char + (index === chars.length - 1 ? suffix : "");
      const id = vocabulary.get(marked);
      const known = id === undefined ? bytesOf(marked) : [id];
      if (known) ids.push(...known);
      else if (unknown !== undefined && !(model.fuse_unk && lastIsUnknown)) ids.push(unknown);
      lastIsUnknown = !known;
    });
    return ids;
  };
  return (word) => {
    const whole = model.ignore_merges ? vocabulary.get(word) : undefined;
    return whole === undefined ? mergeAll(symbolsOf(word), merges) : [whole];
  };
}

function readMerges(
  model: TokeniserModel<"BPE">,
  vocabulary: ReadonlyMap<string, number>,
  prefix: string,
): Map<string, Merge> {
  const merges = new Map<string, Merge>();
  model.merges.forEach((merge, rank) => {
    const [left, right] = typeof merge === "string" ? splitMerge(merge) : merge;
    const ids = [left, right, left + right.slice(prefix.length)].map((token) => vocabulary.get(token));
    if (ids.includes(undefined)) {
      throw new SyntaxError(`its vocabulary lacks a token of merge ${rank}, "${left}" + "${right}"`);
    }
    merges.set(`${ids[0]} ${ids[1]}`, { rank, id: ids[2]! });
  });
  return merges;
}

function splitMerge(merge: string): [string, string] {
  const space = merge.indexOf(" ");
  if (space < 0) throw new SyntaxError(`the merge "${merge}" is no pair of tokens`);
  return [merge.slice(0, space), merge.slice(space + 1)];
}

/** Joins until nothing can be joined, in time n log n. */
function mergeAll(ids: readonly number[], merges: ReadonlyMap<string, Merge>): number[] {
  const symbols = ids.map((id, place): Symbol => ({
    id,
    previous: place - 1,
    next: place + 1 < ids.length ? place + 1 : -1,
  }));
  const queue = new MergeQueue();
  const offer = (place: number): void => {
    const left = symbols[place];
    const right = left && symbols[left.next];
    const merge = right && merges.get(`${left.id} ${right.id}`);
    if (merge) queue.push({ ...merge, place, leftId: left.id, rightId: right.id });
  };
  ids.forEach((_, place) => offer(place));
  for (let candidate = queue.pop(); candidate; candidate = queue.pop()) {
    const left = symbols[candidate.place]!;
    const right = symbols[left.next];
    if (left.id !== candidate.leftId || right?.id !== candidate.rightId) continue; // one of them was joined meanwhile
    right.id = -1;
    left.id = candidate.id;
    left.next = right.next;
    const after = symbols[left.next];
    if (after) after.previous = candidate.place;
    offer(left.previous);
    offer(candidate.place);
  }
  return symbols.filter(({ id }) => id >= 0).map(({ id }) => id);
}

interface Candidate extends Merge {
  readonly place: number;
  readonly leftId: number;
  readonly rightId: number;
}

/** A binary heap: the lowest rank first, then the leftmost place. */
class MergeQueue {
  readonly #heap: Candidate[] = [];

  push(candidate: Candidate): void {
    const heap = this.#heap;
    let at = heap.push(candidate) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) return;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  pop(): Candidate | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last && heap.length > 0) {
      heap[0] = last;
      for (let at = 0, child = 1; child < heap.length; child = 2 * at + 1) {
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
        if (!isBefore(heap[child]!, heap[at]!)) break;
        [heap[at], heap[child]] = [heap[child]!, heap[at]!];
        at = child;
      }
    }
    return first;
  }
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.place < b.place);
}
