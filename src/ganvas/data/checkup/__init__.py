"""What a set of pictures is, what is wrong with it, and a page that says so."""
