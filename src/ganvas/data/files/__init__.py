"""Pictures in files: folders, lists of paths, archives, and the labels that lie beside them."""
