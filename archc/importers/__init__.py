"""Networks that exist already, as specs: a file becomes a flat network of ops, the network the text
of a spec, and the text is accepted where its graph is proven to be the file's."""
