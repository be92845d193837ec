"""A plain voting application: what one would write in a day with Django, to hold our cast path against."""
