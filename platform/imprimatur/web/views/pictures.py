"""Pictures that people bring: the list, the form, one picture with its rights, and their acts."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generation.pictures import selectors as pictures
from generation.pictures import services
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, NotFound
from governance.policy.permits import NotPermitted
from imprimatur.web.forms.picture import PictureForm, RightsEndForm, RightsForm
from imprimatur.web.screens import pictures as screens
from imprimatur.web.views._query import uuid_of
from imprimatur.web.views._screen import screen

CACHE_S = 600


@require_safe
@screen
def picture_list(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the pictures of the actor's brands, newest first."""
    context = screens.picture_list(
        actor,
        show=request.GET.get("show", ""),
        after=uuid_of(request, "after"),
        now=clock.now(),
    )
    return render(request, "web/pictures.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def add(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the form, or take a picture in and go to it."""
    choices = screens.brand_choices(actor)
    if request.method != "POST":
        return render(request, "web/picture_add.html", {"form": PictureForm(brands=choices)})
    form = PictureForm(request.POST, request.FILES, brands=choices)
    status = 400
    if form.is_valid():
        try:
            return _taken_in(request, actor, form)
        except NotPermitted:
            raise
        except DomainError as error:
            form.add_problem(error)
            status = error.status
    return render(request, "web/picture_add.html", {"form": form}, status=status)


@require_safe
@screen
def picture(request: HttpRequest, actor: Actor, picture_id: UUID) -> HttpResponse:
    """Show one picture with its rights."""
    context = screens.picture_page(actor, picture_id, clock.now())
    return render(request, "web/picture.html", {**context, "end_form": RightsEndForm()})


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def restate(request: HttpRequest, actor: Actor, picture_id: UUID) -> HttpResponse:
    """Show the rights as they stand, or put a new version of them on record."""
    context = screens.rights_to_restate(actor, picture_id, clock.now())
    if request.method != "POST":
        form = RightsForm(initial=context["initial"])
        return render(request, "web/picture_rights.html", {**context, "form": form})
    form = RightsForm(request.POST)
    status = 400
    if form.is_valid():
        try:
            made = services.restate_rights(
                actor=actor, picture_id=picture_id, statement=form.statement(), now=clock.now()
            )
        except (NotFound, NotPermitted):
            raise
        except DomainError as error:
            form.add_problem(error)
            status = error.status
        else:
            messages.success(
                request,
                _("New version on record. A data steward confirms it now.")
                if made.rights.state == "waiting"
                else _("New version on record."),
            )
            return redirect("web:picture", picture_id)
    return render(request, "web/picture_rights.html", {**context, "form": form}, status=status)


@require_POST
@screen
def confirm(request: HttpRequest, actor: Actor, record_id: UUID) -> HttpResponse:
    """Confirm exactly the version that was on the screen."""
    shown = pictures.get_by_rights(actor, record_id)
    try:
        services.confirm_rights(actor=actor, record_id=record_id, now=clock.now())
    except (NotFound, NotPermitted):
        raise
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, _("Rights confirmed. The picture may be used now."))
    return redirect("web:picture", shown.id)


@require_POST
@screen
def withdraw(request: HttpRequest, actor: Actor, record_id: UUID) -> HttpResponse:
    """Withdraw exactly the version that was on the screen."""
    shown = pictures.get_by_rights(actor, record_id)
    form = RightsEndForm(request.POST)
    status = 400
    if form.is_valid():
        try:
            services.withdraw_rights(
                actor=actor,
                record_id=record_id,
                reason=form.cleaned_data["reason"],
                now=clock.now(),
            )
        except (NotFound, NotPermitted):
            raise
        except DomainError as error:
            form.add_error("reason" if error.pointer == "/reason" else None, error.detail)
            status = error.status
        else:
            messages.success(request, _("Rights withdrawn. Nothing new rests on this picture."))
            return redirect("web:picture", shown.id)
    context = screens.picture_page(actor, shown.id, clock.now())
    return render(request, "web/picture.html", {**context, "end_form": form}, status=status)


@require_safe
@screen
def image(request: HttpRequest, actor: Actor, picture_id: UUID) -> HttpResponse:
    """Serve a picture's bytes; with `?small` the small image that stands in lists."""
    shown = pictures.get_picture(actor, picture_id)
    is_small = "small" in request.GET
    sha256 = shown.preview_sha256 if is_small else shown.sha256
    response: HttpResponse
    if f'"{sha256}"' in parse_etags(request.headers.get("If-None-Match", "")):
        response = HttpResponseNotModified()
    else:
        read = pictures.read_preview if is_small else pictures.read_bytes
        data, media_type = read(shown)
        response = HttpResponse(data, content_type=media_type)
        response["Content-Disposition"] = f'inline; filename="{shown.id}"'
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["X-Content-Type-Options"] = "nosniff"
    response["ETag"] = f'"{sha256}"'
    response["Cache-Control"] = f"private, max-age={CACHE_S}" if is_small else "private, no-cache"
    response["Vary"] = "Cookie"
    return response


def _taken_in(request: HttpRequest, actor: Actor, form: PictureForm) -> HttpResponse:
    """Look at the file, take it in, and go to the picture. Raises: DomainError."""
    file, statement, now = form.cleaned_data["file"], form.statement(), clock.now()
    brand_id = UUID(form.cleaned_data["brand"])
    examined = services.examine(
        actor=actor, brand_id=brand_id, data=file.read(), statement=statement, now=now
    )
    taken = services.take_in(
        actor=actor,
        brand_id=brand_id,
        examined=examined,
        name=file.name,
        statement=statement,
        now=clock.now(),
    )
    if not taken.is_new:
        messages.warning(
            request,
            _("The brand has this picture already. Its rights stand as they were; here they are."),
        )
    elif taken.picture.rights.state == "waiting":
        messages.success(request, _("Taken in. A data steward confirms the rights before its use."))
    else:
        messages.success(request, _("Taken in. The picture may be used."))
    return redirect("web:picture", taken.picture.id)
