"""Where answers lie in a table, and by which rows to multiply each: to the roots in few steps.

Plain lists of numbers: what `gz2tree.graph` computes with tensors is planned here, once for a tree.

An answer's cumulative probability is its conditional one times those of all its ancestors. Walking
up to the root takes as many steps as the tree is deep, each a launch of kernels on a GPU. *Pointer
jumping* takes about the logarithm of that: in every step each row is multiplied by the row it
points to, with all that row has gathered so far, and then points to where that one pointed.

Examples
--------
Three questions: a shape; of disks, whether they are seen edge-on; of those that are not, whether
they have a bar.

==========  ==============  ===  =============  ===============
question    answer          row  points to      conditional
==========  ==============  ===  =============  ===============
shape       smooth, disk    0 1  (a root)       s, d
edge-on     yes, no         2 3  1, the disk    y, n
bar         bar, none       4 5  3, not edge-on b, 1 - b
==========  ==============  ===  =============  ===============

>>> jumps = jumps_to_the_roots([[], [], [1], [1], [3], [3]])
>>> jumps[0]  # at once: row 2 becomes d y, 3 becomes d n, 4 becomes n b, 5 becomes n (1 - b)
[[], [], [1], [1], [3], [3]]
>>> jumps[1]  # rows 4 and 5 point to where row 3 pointed: 4 becomes d n b
[[], [], [], [], [1], [1]]

A fourth question below the bar would be done in two steps as well: its rows would take b in the
first one and point to row 3, which has d n by the second.

A tensor is multiplied as a whole, so rows that are done are multiplied by *everyone*, which is 1.
That is the second of two rows behind the six of the table:

>>> [fill_up(rows, most=1, n_rows=6) for rows in jumps[1]]
[[7], [7], [7], [7], [1], [1]]

Rows of several answers that lead to a question are added; *nobody*, which is 0, is the first of
the two, and fills up the others to as many:

>>> [fill_up(rows, most=2, n_rows=6) for rows in ([], [1], [1, 2])]
[[7, 6], [1, 6], [1, 2]]
"""

from __future__ import annotations


def slots_of(sizes: list[int], width: int) -> tuple[list[int], list[int]]:
    """Put questions below each other in a block of (n_questions, width) slots.

    Parameters
    ----------
    sizes : list of int
        How many answers each question has.
    width : int
        The most of them.

    Returns
    -------
    slot_answer : list of int, n_questions * width
        For each slot an answer; those of questions with fewer answers repeat their first, so that
        the highest of a question's slots is the highest of its answers.
    answer_slot : list of int, n_answers
        For each answer its slot.

    Examples
    --------
    >>> slots_of([3, 2], width=3)
    ([0, 1, 2, 3, 4, 3], [0, 1, 2, 3, 4])
    """
    slot_answer: list[int] = []
    answer_slot: list[int] = []
    for size in sizes:
        first = len(answer_slot)
        answer_slot += range(len(slot_answer), len(slot_answer) + size)
        slot_answer += [*range(first, first + size), *[first] * (width - size)]
    return slot_answer, answer_slot


def fill_up(rows: list[int], most: int, n_rows: int) -> list[int]:
    """Fill up rows of a table that are to be added, so that there are as many everywhere.

    Parameters
    ----------
    rows : list of int
        Of the answers that lead to a question; none if everyone is asked it.
    most : int
        How many there are to be.
    n_rows : int
        Rows of answers in the table. Behind them it has two more: nobody, which holds 0, is row
        `n_rows`, and everyone, which holds 1, row `n_rows` + 1.

    Returns
    -------
    filled : list of int, of length `most`
    """
    nobody, everyone = n_rows, n_rows + 1
    known = rows or [everyone]
    return known + [nobody] * (most - len(known))


def jumps_to_the_roots(parents_of: list[list[int]]) -> list[list[list[int]]]:
    """Find by which rows to multiply every row, again and again, until all have their ancestors.

    A row with one parent takes what the parent has so far and is left with the parent's parents, so
    that a path of 2^n answers takes n steps; one with several waits until they are complete.

    Parameters
    ----------
    parents_of : list of list of int
        For each row, those of the answers that lead to it.

    Returns
    -------
    jumps : list of list of list of int
        For each step and each row, the rows whose sum it is multiplied by; none if it stays.
    """
    jumps = []
    while any(parents_of):
        ready = [
            parents if len(parents) == 1 or not any(parents_of[p] for p in parents) else []
            for parents in parents_of
        ]
        jumps.append(ready)
        parents_of = [
            (parents_of[now[0]] if len(now) == 1 else []) if now else parents
            for now, parents in zip(ready, parents_of, strict=True)
        ]
    return jumps
