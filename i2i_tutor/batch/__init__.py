"""Many runs of the chapters: planned, executed on one machine or a cluster, watched, and reported. No torch."""
