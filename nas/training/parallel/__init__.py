"""Several processes that train one supernet."""
