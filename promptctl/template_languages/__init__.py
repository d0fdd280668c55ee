"""Template languages of other tools: each is read into the same pieces, and written from them."""
