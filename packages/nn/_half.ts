const scratch = new DataView(new ArrayBuffer(4));

/** Widens IEEE 754 binary16 values, exactly. */
export function decodeFloat16(halves: Uint16Array): Float32Array {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/** Widens bfloat16 values, exactly: they are the upper halves of float32. */
export function decodeBfloat16(halves: Uint16Array): Float32Array {
  const words = Uint32Array.from(halves, (half) => half << 16);
  return new Float32Array(words.buffer);
}

/** Rounds to binary16, to the nearest and ties to even. */
export function encodeFloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    scratch.setFloat32(0, value);
    const sign = (scratch.getUint32(0) >>> 16) & 0x8000;
    const magnitude = Math.abs(value);
    if (Number.isNaN(value)) return sign | 0x7e00;
    if (magnitude >= 65520) return sign | 0x7c00; // half way between the greatest finite value and the next power
    const exponent = Math.max(-14, Math.floor(Math.log2(magnitude)));
    // Counting in units of the last place makes a carry run into the exponent field by itself.
    const units = roundTiesToEven(magnitude / 2 ** (exponent - 10));
    return sign | (units + ((exponent + 14) << 10));
  });
}

/** Rounds to bfloat16, to the nearest and ties to even. */
export function encodeBfloat16(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    scratch.setFloat32(0, value);
    const bits = scratch.getUint32(0);
    if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
    return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  });
}

function roundTiesToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
