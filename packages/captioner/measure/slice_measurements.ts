import type { Modality, Plane } from "@med3d/volume";

/** Side of the patient, not of the viewer. */
export type PatientSide = "right" | "left";

/** Where something lies within the body's outline, in patient terms. */
export interface Place {
  /** Along the rows: anterior to posterior on axial slices, upper to lower on the others. */
  readonly vertical: "anterior" | "upper" | "central" | "lower" | "posterior";
  /** Along the columns: the patient's side on axial and coronal slices, anterior to posterior on sagittal ones. */
  readonly horizontal: PatientSide | "midline" | "anterior" | "central" | "posterior";
}

/** Form of a region, from its area and second moments. */
export type RegionShape = "round" | "elongated" | "irregular";

/** A connected region of one tissue class. */
export interface MeasuredRegion {
  /** The tissue class, as in {@linkcode TissueFraction.name}. */
  readonly tissue: string;
  /** Area in square millimetres. */
  readonly areaMm2: number;
  /** Diameter of the circle of the same area, in millimetres. */
  readonly diameterMm: number;
  /** `[vertical, horizontal]` extent of its bounding box in millimetres. */
  readonly extentMm: readonly [number, number];
  /** Form. */
  readonly shape: RegionShape;
  /** Where its centroid lies. */
  readonly place: Place;
}

/** A small region that is brighter or darker than what surrounds it. */
export interface MeasuredFocus {
  /** Against its surroundings. */
  readonly kind: "bright" | "dark";
  /** Mean difference from the surroundings, in the slice's own unit (HU in CT); negative when dark. */
  readonly difference: number;
  /** The same as a share of the robust intensity range of the body. */
  readonly differenceShare: number;
  /** Diameter at half its height, as of the circle of the same area, in millimetres. */
  readonly diameterMm: number;
  /** Form. */
  readonly shape: RegionShape;
  /** Where its centroid lies. */
  readonly place: Place;
}

/** How much of the body a tissue class takes. */
export interface TissueFraction {
  /** CT: air, lung, fat, soft tissue, contrast range, bone. Else: low, intermediate, high signal. */
  readonly name: string;
  /** Share of the body's pixels, 0…1. */
  readonly fraction: number;
}

/** Likeness of the patient's two sides, on axial and coronal slices. */
export interface MeasuredSymmetry {
  /** Correlation of the body with its mirror image about the middle of its outline: 1 for a mirror image, −1…1. */
  readonly correlation: number;
  /** The brighter side, where the sides' means differ by at least a tenth of the standard deviation. */
  readonly brighterSide?: PatientSide;
}

/** All that {@linkcode measureSlice} finds, unrounded. Lengths in millimetres, `[vertical, horizontal]`. */
export interface SliceMeasurements {
  /** What made the scan. */
  readonly modality: Modality;
  /** The plane of the slice. */
  readonly plane: Plane;
  /** Along the plane's normal, in (0, 1): 0 is inferior, posterior or left. */
  readonly relativePosition: number;
  /** Field of view in millimetres. */
  readonly fieldMm: readonly [number, number];
  /** Outline of the body: extent of its bounding box; zero where nothing was found. */
  readonly body: {
    /** Bounding box in millimetres. */
    readonly extentMm: readonly [number, number];
    /** Share of the field of view's pixels, 0…1. The rest is the surrounding air. */
    readonly fraction: number;
    /** Whether dark surroundings were found; if not, the whole field counts as body. */
    readonly hasSurroundings: boolean;
  };
  /** Shares of the body by intensity, in fixed order; empty when there is no body. */
  readonly tissues: readonly TissueFraction[];
  /** Largest connected regions first. */
  readonly regions: readonly MeasuredRegion[];
  /** Most conspicuous first. */
  readonly foci: readonly MeasuredFocus[];
  /** Absent on sagittal slices and where there is no body. */
  readonly symmetry?: MeasuredSymmetry;
  /** Standard deviation of the noise in the slice's own unit, and as a share of the robust intensity range of the body. */
  readonly noise: { readonly deviation: number; readonly share: number };
  /** 5th, 50th and 95th percentile of the body in the slice's own unit. */
  readonly percentiles: readonly [number, number, number];
}
