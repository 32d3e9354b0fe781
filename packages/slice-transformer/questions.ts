/** Index of a plane: 0 axial (along depth), 1 coronal (along height), 2 sagittal (along width). */
export type PlaneIndex = 0 | 1 | 2;

/** Which slice of which volume is asked about. */
export interface SliceQuestion {
  /** Index of the volume in the batch. */
  readonly volume: number;
  /** Plane that the slice lies in. */
  readonly plane: PlaneIndex;
  /** Where along the plane's axis the slice lies, from 0 at the first to 1 at the last. */
  readonly relativePosition: number;
}

/**
 * Finds the bin of a relative position: ⌊bins·position⌋, at most the last.
 *
 * @throws RangeError when the position is outside [0, 1].
 */
export function binOf(relativePosition: number, bins: number): number {
  if (!(relativePosition >= 0 && relativePosition <= 1)) {
    throw new RangeError(
      `Cannot ask about a slice: its relative position is wrong: got ${relativePosition}, expected a number in [0, 1].`,
    );
  }
  return Math.min(bins - 1, Math.floor(bins * relativePosition));
}

/** Questions laid out as a grid of equally many slots per volume, so that a volume's slots share its keys and values. */
export interface QuestionSlots {
  /** Slots of each volume: the most questions that any of them is asked. */
  readonly slotsPerVolume: number;
  /** Row of the plane and slice table for each slot, volume by volume; 0 for a slot that no question fills. */
  readonly codeRows: readonly number[];
  /** Slot of each question. */
  readonly slotOfQuestion: readonly number[];
}

/** A question that was found to be about something. */
export interface PlacedQuestion {
  /** Index of its volume in the batch. */
  readonly volume: number;
  /** Row of the plane and slice table: `plane·bins + bin`. */
  readonly codeRow: number;
}

/**
 * Finds what questions are about.
 *
 * @throws RangeError when there is no question, or one is about no volume of the batch, no plane or no position.
 */
export function placeQuestions(questions: readonly SliceQuestion[], batch: number, bins: number): PlacedQuestion[] {
  if (questions.length === 0) {
    throw new RangeError("Cannot ask about slices: there is no question: got an empty list, expected at least one.");
  }
  return questions.map(({ volume, plane, relativePosition }) => {
    if (!Number.isSafeInteger(volume) || volume < 0 || volume >= batch) {
      throw new RangeError(
        `Cannot ask about a slice: its volume is not in the batch: got ${volume}, expected an integer in [0, ${batch}).`,
      );
    }
    if (plane !== 0 && plane !== 1 && plane !== 2) {
      throw new RangeError(
        `Cannot ask about a slice: its plane is unknown: got ${plane}, expected 0 (axial), 1 (coronal) or 2 (sagittal).`,
      );
    }
    return { volume, codeRow: plane * bins + binOf(relativePosition, bins) };
  });
}

/** Lays questions out; refuses them as {@linkcode placeQuestions} does. */
export function layOutQuestions(questions: readonly SliceQuestion[], batch: number, bins: number): QuestionSlots {
  const asked = new Array<number>(batch).fill(0);
  const placed = placeQuestions(questions, batch, bins).map((question) => ({
    ...question,
    order: asked[question.volume]!++,
  }));
  const slotsPerVolume = Math.max(...asked);
  const codeRows = new Array<number>(batch * slotsPerVolume).fill(0);
  const slotOfQuestion = placed.map(({ volume, order, codeRow }) => {
    const slot = volume * slotsPerVolume + order;
    codeRows[slot] = codeRow;
    return slot;
  });
  return { slotsPerVolume, codeRows, slotOfQuestion };
}
