"""The tools of the Model Context Protocol (MCP): a program with a language model creates and follows videos with them.

All tools send requests to the REST API, so they have its validation, its errors and its limits. The front end serves
them at `/mcp` and sends the requests to itself; `easyanimate mcp` serves them over stdio for a service elsewhere.
"""
