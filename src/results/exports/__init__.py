"""Files analysts take away: the same numbers as the page, streamed, with a codebook."""
