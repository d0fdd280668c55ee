"""The statistics of one run and of two: plain functions on plain numbers, on the standard library alone.

    distributions   quantiles of the normal and of Student's t, the binomial's tail
    intervals       Wilson, Tango, Student's t (cluster-robust; for skewed values), and what holds if
                    nothing varied
    paired          McNemar's test
    noninferiority  an exact test of a loss
    bootstrap       the paired bootstrap of cases or whole clusters, studentized
    scores          test and intervals of a mean difference, of one pivot
    multiplicity    Holm's correction over metrics
    agreement       of one rater with another, or with a judge; a rate corrected for a judge's errors
    raters          agreement of any number of raters
    ratios          a ratio of two means or medians
    changes         a share before and after, with bursts
    planning        the smallest difference that could be seen, and the cases it would take
    metric          one metric on both sides of a comparison, with all of the above

True at every look, so that they may be looked at after every observation:

    paired            evidence of pairs lost and won
    rate_differences  the difference of two arms' rates or scores, exact
    sequences         intervals of a rate, a quantile, a mean, and of a ratio of two means
    split             the split of observations between arms

Everywhere `improved` counts pairs that failed on base and pass on head (the table's b), `regressed` the reverse (c),
and a difference is head minus base, so that below zero is worse. `n` is the number of cases, never of repeats.
"""
