/**
 * A node of a balanced tree (AVL: the heights of two siblings differ by at most one), ordered by `rank`. Adding, finding
 * and removing take O(log n) whatever the order in which prices come, so nobody can slow the book down by choosing them.
 */
export interface TreeNode<N> {
  readonly rank: number
  height: number
  left: N | null
  right: N | null
}

/** Adds a node whose rank is not in the tree yet; returns the new root. */
export function insertNode<N extends TreeNode<N>>(root: N | null, node: N): N {
  if (root === null) return node
  if (node.rank < root.rank) root.left = insertNode(root.left, node)
  else root.right = insertNode(root.right, node)
  return balance(root)
}

/** Removes a node that is in the tree; returns the new root. The node's own links are cleared. */
export function removeNode<N extends TreeNode<N>>(root: N | null, node: N): N | null {
  if (root === null) throw new Error(`rank ${node.rank} is not in the tree`)
  if (root === node) return joinChildren(node)
  if (node.rank < root.rank) root.left = removeNode(root.left, node)
  else root.right = removeNode(root.right, node)
  return balance(root)
}

function joinChildren<N extends TreeNode<N>>(node: N): N | null {
  const { left, right } = node
  node.left = null
  node.right = null
  node.height = 1
  if (left === null) return right
  if (right === null) return left
  const next = leftmost(right)
  next.right = removeNode(right, next)
  next.left = left
  return balance(next)
}

function leftmost<N extends TreeNode<N>>(node: N): N {
  let first = node
  while (first.left !== null) first = first.left
  return first
}

function balance<N extends TreeNode<N>>(node: N): N {
  const { left, right } = node
  const lean = heightOf(left) - heightOf(right)
  if (lean > 1 && left !== null) {
    if (left.right !== null && heightOf(left.left) < heightOf(left.right)) node.left = rotateLeft(left, left.right)
    return rotateRight(node, node.left as N)
  }
  if (lean < -1 && right !== null) {
    if (right.left !== null && heightOf(right.right) < heightOf(right.left)) node.right = rotateRight(right, right.left)
    return rotateLeft(node, node.right as N)
  }
  updateHeight(node)
  return node
}

function rotateLeft<N extends TreeNode<N>>(node: N, right: N): N {
  node.right = right.left
  right.left = node
  updateHeight(node)
  updateHeight(right)
  return right
}

function rotateRight<N extends TreeNode<N>>(node: N, left: N): N {
  node.left = left.right
  left.right = node
  updateHeight(node)
  updateHeight(left)
  return left
}

function updateHeight<N extends TreeNode<N>>(node: N): void {
  node.height = 1 + Math.max(heightOf(node.left), heightOf(node.right))
}

function heightOf<N extends TreeNode<N>>(node: N | null): number {
  return node === null ? 0 : node.height
}
