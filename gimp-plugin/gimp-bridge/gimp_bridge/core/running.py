"""The call that runs, for work that is deep below it. Never imports Gimp."""

call = None  # the Call that runs, or ran last
