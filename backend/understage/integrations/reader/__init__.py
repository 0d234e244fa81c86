"""Reading files and trees by URL: `readers.UrlReaders` asks the first source whose host the URL has."""
