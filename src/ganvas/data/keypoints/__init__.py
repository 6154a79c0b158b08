"""Points of pictures, such as the joints of people: files of them, and the heat maps that networks are given."""
