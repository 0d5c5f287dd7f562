"""The documentation that a node serves by itself, each page made once."""

from __future__ import annotations

from functools import cache

import onhand
from onhand.contracts import registry, strict_json
from onhand.contracts.asyncapi import asyncapi_document
from onhand.http import error_catalogue, openapi, page_api, problems
from onhand.http.html import inline, page, text


@cache
def api_page() -> bytes:
    """The description of the API as HTML."""
    return page_api.render(openapi.document())


@cache
def errors_page() -> bytes:
    """Every error code with its meaning, as HTML."""
    links, articles = [], []
    for code, error in error_catalogue.catalogue().items():
        links.append(f'<li><a href="#{text(code)}">{text(code)}</a></li>')
        articles.append(
            f'<article id="{text(code)}"><h3>{text(error.title)}</h3>'
            f"<p class=route>{text(code)} <span class=kind>HTTP {problems.status_of(error)}</span></p>"
            f"<p>{inline(error_catalogue.meaning(error))}</p>"
            f"<dl><dt>What Onhand did</dt><dd>{inline(error.done)}</dd>"
            f"<dt>What you can do</dt><dd>{inline(error.remedy or 'Nothing in particular.')}</dd></dl></article>"
        )
    navigation = f'<b>Onhand errors</b><ul><li><a href="/docs">API</a></li></ul><h2>Codes</h2><ul>{"".join(links)}</ul>'
    intro = "<h1>Errors</h1><p class=lead>Codes are never renamed and never given another meaning.</p>"
    return page(title="Onhand errors", navigation=navigation, body=intro + "".join(articles))


@cache
def asyncapi() -> bytes:
    """The contracts of all events as an AsyncAPI document, JSON."""
    return strict_json.dumps(asyncapi_document(registry.packaged(), version=onhand.__version__))
