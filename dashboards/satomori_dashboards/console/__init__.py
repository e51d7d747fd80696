"""The built-in web console: pages on the API's queries, mounted on the API's app. Start reading at `app.py`."""
