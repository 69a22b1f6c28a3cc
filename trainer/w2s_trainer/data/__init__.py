"""Reading rows of data: from URIs to files, from files to rows, from values to texts and keys."""
