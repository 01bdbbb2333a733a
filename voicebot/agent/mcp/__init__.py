"""MCP servers, whose tools the agent may call: connections, supervision, and their tools as LangChain tools.

Only `bootstrap` imports these modules, and only if MCP_CONFIG is set: loading the SDK takes half a second.
"""
