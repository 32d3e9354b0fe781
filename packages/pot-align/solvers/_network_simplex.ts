/** A balanced transport problem in whole units: flows are sums of whole numbers and hence exact. */
export interface NetworkProblem {
  /** `[rows, columns]` in C order, in [0, 1] up to a small factor. */
  readonly cost: Float64Array;
  /** Whole units per row; the total equals that of `demand` and is below 2⁵³. */
  readonly supply: Float64Array;
  /** Whole units per column. */
  readonly demand: Float64Array;
}

/** A basis is optimal once no arc's reduced cost is below minus this. */
const OPTIMALITY = 1e-12;

/**
 * Primal network simplex for the transport problem, on a rooted spanning tree.
 *
 * Nodes are rows, columns and an artificial root, which every node is first joined to at a cost that no solution pays. The tree is kept
 * strongly feasible (Cunningham 1976): every tree arc without flow points to the root. Together with exact flows this rules out
 * cycling on degenerate problems. Entering arcs are the best of a block, blocks taken in turn.
 */
export class NetworkSimplex {
  /** Potential of each node: rows, columns, root. An arc i→j of the basis has `cost + potential_i − potential_j = 0`. */
  readonly potential: Float64Array;
  readonly #rows: number;
  readonly #columns: number;
  readonly #cost: Float64Array;
  readonly #artificialCost: number;
  /** Of the tree: parent, arc to the parent, its direction, its flow, depth; children as doubly linked lists. */
  readonly #parent: Int32Array;
  readonly #arc: Int32Array;
  readonly #pointsUp: Uint8Array;
  readonly #flow: Float64Array;
  readonly #depth: Int32Array;
  readonly #firstChild: Int32Array;
  readonly #nextSibling: Int32Array;
  readonly #previousSibling: Int32Array;
  #scanFrom = 0;

  constructor({ cost, supply, demand }: NetworkProblem) {
    const [rows, columns] = [supply.length, demand.length];
    const nodes = rows + columns + 1;
    this.#rows = rows;
    this.#columns = columns;
    this.#cost = cost;
    this.#artificialCost = (cost.reduce((most, value) => Math.max(most, value), 0) + 1) * nodes;
    this.potential = new Float64Array(nodes);
    this.#parent = new Int32Array(nodes).fill(-1);
    this.#arc = new Int32Array(nodes).fill(-1);
    this.#pointsUp = new Uint8Array(nodes);
    this.#flow = new Float64Array(nodes);
    this.#depth = new Int32Array(nodes);
    this.#firstChild = new Int32Array(nodes).fill(-1);
    this.#nextSibling = new Int32Array(nodes).fill(-1);
    this.#previousSibling = new Int32Array(nodes).fill(-1);
    const root = nodes - 1;
    for (let node = 0; node < root; node++) {
      const needs = node < rows ? 0 : demand[node - rows]!;
      this.#arc[node] = rows * columns + node;
      this.#pointsUp[node] = Number(needs === 0);
      this.#flow[node] = node < rows ? supply[node]! : needs;
      this.#attach(node, root);
      this.#settle(node);
    }
  }

  /** Pivots until optimal or until `most` pivots are done. */
  solve(most: number): { pivots: number; optimal: boolean } {
    for (let pivots = 0; pivots < most; pivots++) {
      const entering = this.#findEntering();
      if (entering < 0) return { pivots, optimal: true };
      this.#pivot(entering);
    }
    return { pivots: most, optimal: this.#findEntering() < 0 };
  }

  /** `[rows, columns]` flows in whole units. */
  flows(): Float64Array {
    const flows = new Float64Array(this.#cost.length);
    this.#arc.forEach((arc, node) => {
      if (arc >= 0 && arc < flows.length) flows[arc] = this.#flow[node]!;
    });
    return flows;
  }

  #findEntering(): number {
    const arcs = this.#cost.length;
    const block = Math.max(32, Math.ceil(Math.sqrt(arcs)));
    let best = -1;
    let lowest = -OPTIMALITY;
    for (let scanned = 0; scanned < arcs; scanned++) {
      const arc = this.#scanFrom;
      this.#scanFrom = arc + 1 === arcs ? 0 : arc + 1;
      const row = Math.floor(arc / this.#columns);
      const column = arc - row * this.#columns;
      const reduced = this.#cost[arc]! + this.potential[row]! - this.potential[this.#rows + column]!;
      if (reduced < lowest) {
        lowest = reduced;
        best = arc;
      }
      if (best >= 0 && (scanned + 1) % block === 0) break;
    }
    return best;
  }

  #pivot(entering: number): void {
    const from = Math.floor(entering / this.#columns);
    const to = this.#rows + (entering - from * this.#columns);
    const apex = this.#commonAncestor(from, to);
    // Flow goes round the cycle along the entering arc: it falls on arcs that point up below `from`, and down below `to`. Of the arcs
    // that block, the last one met on the way round from the apex leaves: that keeps the tree strongly feasible.
    let [delta, leaving, side] = [Infinity, -1, from];
    for (let node = from; node !== apex; node = this.#parent[node]!) {
      if (this.#pointsUp[node] && this.#flow[node]! < delta) [delta, leaving, side] = [this.#flow[node]!, node, from];
    }
    for (let node = to; node !== apex; node = this.#parent[node]!) {
      if (!this.#pointsUp[node] && this.#flow[node]! <= delta) [delta, leaving, side] = [this.#flow[node]!, node, to];
    }
    for (let node = from; node !== apex; node = this.#parent[node]!) {
      this.#flow[node]! += this.#pointsUp[node] ? -delta : delta;
    }
    for (let node = to; node !== apex; node = this.#parent[node]!) {
      this.#flow[node]! += this.#pointsUp[node] ? delta : -delta;
    }
    this.#hang({
      node: side,
      below: side === from ? to : from,
      upTo: leaving,
      arc: entering,
      pointsUp: side === from,
      flow: delta,
    });
  }

  #commonAncestor(a: number, b: number): number {
    while (a !== b) {
      if (this.#depth[a]! >= this.#depth[b]!) a = this.#parent[a]!;
      else b = this.#parent[b]!;
    }
    return a;
  }

  /** Cuts the branch at `upTo` off its parent and hangs it, turned round to start at `node`, below another node. */
  #hang(
    { node, below, upTo, arc, pointsUp, flow }: {
      node: number;
      below: number;
      upTo: number;
      arc: number;
      pointsUp: boolean;
      flow: number;
    },
  ): void {
    const top = node;
    let [parent, ownArc, up, ownFlow] = [below, arc, Number(pointsUp), flow];
    for (let at = node;;) {
      const old = { parent: this.#parent[at]!, arc: this.#arc[at]!, up: this.#pointsUp[at]!, flow: this.#flow[at]! };
      this.#detach(at);
      this.#attach(at, parent);
      this.#arc[at] = ownArc;
      this.#pointsUp[at] = up;
      this.#flow[at] = ownFlow;
      if (at === upTo) break;
      [parent, ownArc, up, ownFlow] = [at, old.arc, 1 - old.up, old.flow];
      at = old.parent;
    }
    const waiting = [top];
    while (waiting.length > 0) {
      const next = waiting.pop()!;
      this.#settle(next);
      for (let child = this.#firstChild[next]!; child >= 0; child = this.#nextSibling[child]!) waiting.push(child);
    }
  }

  /** Computes depth and potential of a node from its parent's, so that rounding does not build up. */
  #settle(node: number): void {
    const parent = this.#parent[node]!;
    const arc = this.#arc[node]!;
    const cost = arc < this.#cost.length ? this.#cost[arc]! : this.#artificialCost;
    this.#depth[node] = this.#depth[parent]! + 1;
    this.potential[node] = this.potential[parent]! + (this.#pointsUp[node] ? -cost : cost);
  }

  #attach(node: number, parent: number): void {
    const first = this.#firstChild[parent]!;
    this.#parent[node] = parent;
    this.#previousSibling[node] = -1;
    this.#nextSibling[node] = first;
    if (first >= 0) this.#previousSibling[first] = node;
    this.#firstChild[parent] = node;
  }

  #detach(node: number): void {
    const [previous, next] = [this.#previousSibling[node]!, this.#nextSibling[node]!];
    if (previous >= 0) this.#nextSibling[previous] = next;
    else this.#firstChild[this.#parent[node]!] = next;
    if (next >= 0) this.#previousSibling[next] = previous;
  }
}
