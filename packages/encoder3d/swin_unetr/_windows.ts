import * as tf from "@tensorflow/tfjs-core";
import type { Triple } from "@med3d/nn";

/** A grid cut into windows. */
export interface WindowPlan {
  /** Cells of a window. */
  readonly window: Triple;
  /** Cells by which the windows are shifted. */
  readonly shift: Triple;
  /** Cells of the grid once it is filled up to whole windows. */
  readonly padded: Triple;
  /** Windows along each axis. */
  readonly counts: Triple;
}

/** Plans the windows of a grid: along an axis no longer than the window the whole axis is one window, and is not shifted. */
export function planWindows(size: Triple, windowSize: Triple, shifted: boolean): WindowPlan {
  const along = (f: (n: number, w: number) => number): Triple => [
    f(size[0], windowSize[0]),
    f(size[1], windowSize[1]),
    f(size[2], windowSize[2]),
  ];
  return {
    window: along(Math.min),
    shift: along((n, w) => shifted && n > w ? Math.floor(w / 2) : 0),
    padded: along((n, w) => n > w ? Math.ceil(n / w) * w : n),
    counts: along((n, w) => n > w ? Math.ceil(n / w) : 1),
  };
}

/** Cuts a grid that is made of whole windows: `[batch, d, h, w, c]` → `[batch, nd, nh, nw, cells·c]`, cells in C order. */
export function partitionWindows(x: tf.Tensor5D, [wd, wh, ww]: Triple): tf.Tensor5D {
  const [batch, d, h, w, c] = x.shape;
  const [nd, nh, nw] = [d / wd, h / wh, w / ww];
  return tf.tidy(() => {
    const rows = tf.transpose(tf.reshape(x, [batch * nd, wd, nh, wh * w * c]), [0, 2, 1, 3]);
    const cells = tf.transpose(tf.reshape(rows, [batch * nd * nh, wd * wh, nw, ww * c]), [0, 2, 1, 3]);
    return tf.reshape(cells, [batch, nd, nh, nw, wd * wh * ww * c]);
  });
}

/** Undoes {@linkcode partitionWindows}. */
export function joinWindows(windows: tf.Tensor5D, [wd, wh, ww]: Triple): tf.Tensor5D {
  const [batch, nd, nh, nw, width] = windows.shape;
  const c = width / (wd * wh * ww);
  return tf.tidy(() => {
    const cells = tf.transpose(tf.reshape(windows, [batch * nd * nh, nw, wd * wh, ww * c]), [0, 2, 1, 3]);
    const rows = tf.transpose(tf.reshape(cells, [batch * nd, nh, wd, wh * nw * ww * c]), [0, 2, 1, 3]);
    return tf.reshape(rows, [batch, nd * wd, nh * wh, nw * ww, c]);
  });
}

/** Fills a grid up with zeros behind each axis. */
export function fillUp(x: tf.Tensor5D, padded: Triple): tf.Tensor5D {
  return tf.tidy(() =>
    padded.reduce((y: tf.Tensor5D, n, i) => {
      const missing = n - y.shape[i + 1]!;
      return missing === 0 ? y : alongAxis(y, i + 1, (flat) => {
        const [outer, , inner] = flat.shape;
        return tf.concat([flat, tf.zeros([outer, missing, inner])], 1);
      });
    }, x)
  );
}

/** Cuts off what {@linkcode fillUp} added. */
export function cutOff(x: tf.Tensor5D, size: Triple): tf.Tensor5D {
  return tf.tidy(() =>
    size.reduce((y: tf.Tensor5D, n, i) =>
      y.shape[i + 1] === n ? y : alongAxis(y, i + 1, (flat) => {
        const [outer, , inner] = flat.shape;
        return tf.slice(flat, [0, 0, 0], [outer, n, inner]);
      }), x)
  );
}

/** Rolls a grid: cell i of an axis comes to (i + shift) mod n. */
export function rollGrid(x: tf.Tensor5D, shifts: Triple): tf.Tensor5D {
  return tf.tidy(() =>
    shifts.reduce((y: tf.Tensor5D, shift, i) => {
      const n = y.shape[i + 1]!;
      const front = (n - shift % n) % n; // cells that go to the back
      return front === 0 ? y : alongAxis(y, i + 1, (flat) => {
        const [first, rest] = tf.split(flat, [front, n - front], 1) as [tf.Tensor3D, tf.Tensor3D];
        return tf.concat([rest, first], 1);
      });
    }, x)
  );
}

/** Works at rank 3, where stock TensorFlow.js slices and pads rightly on every backend. */
function alongAxis(x: tf.Tensor5D, axis: number, map: (flat: tf.Tensor3D) => tf.Tensor3D): tf.Tensor5D {
  const outer = x.shape.slice(0, axis).reduce((product, n) => product * n, 1);
  const changed = map(tf.reshape(x, [outer, x.shape[axis]!, -1]) as tf.Tensor3D);
  const shape = x.shape.map((n, i) => i === axis ? changed.shape[1] : n) as [number, number, number, number, number];
  return tf.reshape(changed, shape);
}
