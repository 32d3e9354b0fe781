/** Where the new voxels along one axis lie among the old ones: new voxel `n` at old index `start + scale · n`. */
export interface AxisMap {
  /** Old voxels per new one; negative where the axis is turned round. */
  readonly scale: number;
  /** Old index of the first new voxel's centre. */
  readonly start: number;
  /** Number of new voxels. */
  readonly count: number;
}

/** The three axes in array order: depth, height, width. */
export type AxisMaps = readonly [AxisMap, AxisMap, AxisMap];
