"""Where answers lie in a table, and by which rows to multiply each: to the roots in few steps.

Plain lists of numbers: what `gz2tree.graph` computes with tensors is planned here, once for a tree.
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
    slot_answer : list of int
        For each slot an answer; those of questions with fewer answers repeat their first.
    answer_slot : list of int
        For each answer its slot.
    """
    slot_answer: list[int] = []
    answer_slot: list[int] = []
    for size in sizes:
        first = len(answer_slot)
        answer_slot += range(len(slot_answer), len(slot_answer) + size)
        slot_answer += [*range(first, first + size), *[first] * (width - size)]
    return slot_answer, answer_slot


def fill_up(parents: list[int], most: int, nobody: int, everyone: int) -> list[int]:
    """Fill up rows to add with that of nobody, which adds 0; no parents: asked of everyone."""
    known = parents or [everyone]
    return known + [nobody] * (most - len(known))


def jumps_to_the_roots(parents_of: list[list[int]]) -> list[list[list[int]]]:
    """Find by which rows to multiply every row, again and again, until all have their ancestors.

    A row with one parent takes what the parent has so far and is left with the parent's parents, so
    that a path of 2^n answers takes n steps; one with several waits until they are complete.
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
