"""The portal's addresses; names are used by templates and tests, paths by people."""

from django.urls import path

from imprimatur.web.views import (
    holds,
    home,
    images,
    ledger,
    ordering,
    orders,
    published,
    reviews,
    session,
    templates,
)

app_name = "web"
urlpatterns = [
    path("", home.home, name="home"),
    path("sign-in/", session.sign_in, name="sign-in"),
    path("sign-out/", session.sign_out, name="sign-out"),
    path("appearance/", session.appearance, name="appearance"),
    path("templates/", templates.templates, name="templates"),
    path("templates/<uuid:template_id>/order/", ordering.order, name="order"),
    path("templates/<uuid:template_id>/preview/", ordering.preview, name="template-preview"),
    path("orders/", orders.orders, name="orders"),
    path("orders/<uuid:job_id>/", orders.job, name="job"),
    path("orders/<uuid:job_id>/sheet/", orders.job_fragment, name="job-fragment"),
    path("orders/items/<uuid:item_id>/cancel/", orders.cancel_item, name="item-cancel"),
    path("reviews/", reviews.reviews, name="reviews"),
    path("reviews/held/<uuid:item_id>/", holds.hold, name="hold"),
    path("reviews/<uuid:case_id>/", reviews.case, name="review"),
    path("assets/<uuid:asset_id>/image", images.asset_image, name="asset-image"),
    path("published/", published.published, name="published"),
    path("releases/<uuid:release_id>/passport", published.passport, name="passport"),
    path("releases/<uuid:release_id>/publish/", published.publish, name="publish"),
    path("releases/<uuid:release_id>/withdraw/", published.withdraw, name="withdraw"),
    path("ledger/", ledger.ledger, name="ledger"),
]
