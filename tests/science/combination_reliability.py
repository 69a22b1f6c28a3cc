"""Does a good teacher count enough? Forms of the combination that hear how often the teacher is right on the budget.

`python tests/science/combination.py --data ../shared/data --part teachers` (choosing sets) and `--part teachers-confirm`
print the tables of docs/design/2026-11-30-a-good-teacher.md; the first run teaches the students of the new teachers.

Fixed before the first run:

* **Question.** A teacher that is right in 95 % of its votes says so with the log-odds of a vote, ln 5. Two students and
  zero-shot are added to that, and weights near 1 leave it there: is the combination worse than the teacher, and what mends it?
* **Sets and splits** are those of combination.py: chosen on its choosing sets, confirmed once on its confirming ones and
  scancode_licence_category. Both are inside the halves of the study (docs/results/2026-11-29-does-it-pay.md). The constants
  that the forms begin with were chosen on the former with honest, poor teachers, and the latter were looked at then: they are not
  fresh, but nothing here was ever seen on them. lexglue_ledgar_1k stays out, with ten rows a class or fewer.
* **Teachers.** Those of combination.py (`elsewhere`: nb, nb-half, lr, votes or rules), and of this module
  (`good`): *keywords*: five words a class by log-odds on 50 of the teacher's own labels, one vote each; *sim-a*: right in a % of
  the families (60, 75, 85, 90, 95, 97), else another class, drawn by family, as one vote, (1 + ¼) / (1 + ¼ K);
  *half-95*: silent in half of the families; *hard-95*: wrong in those 5 % of texts that a head on all gold labels of the pool
  is least sure of, with its likeliest wrong class: a teacher that errs where students err; *flat-95*: log-odds a third of a
  vote's; *sharp-75*: .99 on each vote.
* **Forms**, all with the four sources, relative, λ 30 and 10, floor .01:
  *one*: as it is. *matched*: the teacher's weight is shrunk to the scale a at which its mean confidence on the pool's texts
  that it answers is its estimated accuracy, (right + n₀ · its confidence) / (m + n₀), right and m counted in families of the
  budget, n₀ = 16 (a Beta prior at what it says of itself; without labels a = 1), 0 ≤ a ≤ 4. *matched-4*: n₀ = 4. *matched-all*: so is
  each source, gold by its answers out of fold. *confusion*: in place of the teacher's log-odds those of its vote,
  ln P(vote | class), counts of the budget added to 16 labels of what it says of itself. *lambda*: one of 3, 10, 30, 100 by log loss
  over at most five folds of families. *convex*: the probabilities of *one* out of fold, teacher, strong, gold and zero-shot in
  a convex sum (super learner, van der Laan, Polley & Hubbard 2007), by likelihood with 8 labels in favour of *one*; where the
  teacher is silent *one* stands in for it.
* **Choice.** Cells with 16, 64 and 256 labels; d = combined − the best of weak, strong, gold-only and zero-shot, macro-F1; score =
  mean of d + min(d, 0). The form with the largest score over all teachers, of those within .001 the first in the order
  above, if its score over `elsewhere` is within .002 of that of *one* or better, and its worst d there within .005.
* **Confirmed** if over the confirming sets the mean of (form − *one*) over a set's cells is above 0 by a 95 % interval over
  the sets (Student's t), the worst d is not lower than that of *one* by more than .005, nor are more cells below −.010 in
  their lower bound; and over `elsewhere` the mean of (form − *one*) is above −.002. Else nothing is changed.
"""
