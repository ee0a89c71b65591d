"""The nouns that all rooms share: values, errors and events. Imports nothing of ours but `text`."""
